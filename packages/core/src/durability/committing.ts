import type { Delivery } from '../engine/delivery.ts'
import { recordResponseEvents } from '../engine/response-events.ts'
import { asError, InvalidOption, shown } from '../errors.ts'
import { isThenable, nativePromise } from '../routing/thenable.ts'
import { AlreadyCommitted } from '../store-errors.ts'
import type { Caused } from '../engine/caused.ts'
import type { Persistence } from './persistence.ts'

/**
 * What `context.commit` does: has the store write what `work` does, what the delivery has caused, and that it is done, as one.
 * Whatever goes wrong before that undoes it all, and fails in the handler.
 */
export async function commit(
  delivery: Delivery,
  work: (tx: never) => unknown,
  persistence: Persistence,
): Promise<unknown> {
  if (typeof work !== 'function') {
    throw new InvalidOption(`commit() was given ${shown(work)}. Pass a function that writes: commit((tx) => ...).`)
  }
  delivery.checkActive()
  const rest = delivery.more()
  if (rest.isCommitting) throw new AlreadyCommitted(delivery.handler, delivery.type)
  rest.isCommitting = true
  const before = rest.recorded === undefined ? undefined : [...rest.recorded]
  let value: unknown
  const decided = Promise.withResolvers<Error | undefined>()
  const caused = (result: unknown): Caused => {
    delivery.checkActive() // It may have run out of time.
    value = result
    recordResponseEvents(delivery, value)
    const made = persistence.caused(rest.recorded ?? [])
    // From here on the store decides: a retry that was decided meanwhile would run what it may have stored.
    rest.deadline?.cancel()
    rest.deciding = decided.promise
    return made
  }
  try {
    await persistence.commit(delivery, (tx) => {
      delivery.checkActive()
      const result = work(tx as never)
      return isThenable(result) ? nativePromise(result).then(caused) : caused(result)
    })
  } catch (error) {
    rest.isCommitting = false
    delete rest.deciding
    decided.resolve(asError(error))
    if (before === undefined) delete rest.recorded
    else rest.recorded = before
    throw error
  }
  rest.committed = { value }
  delete rest.deciding
  decided.resolve(undefined)
  delete rest.recorded
  return value
}
