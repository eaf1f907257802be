import { busOf, type Dispatcher } from '../../dispatcher.ts'
import { asError } from '../../errors.ts'
import type { Fits, Kind } from '../../message/kind.ts'
import type { MessageOptions } from '../../options.ts'

/** A message of a scenario; or with options, as `[message, { key }]`. */
export type Told<K extends Kind = Kind> =
  | (Fits<K> & { readonly [Symbol.iterator]?: never })
  | string
  | readonly [Fits<K> | string, MessageOptions]

function partsOf(told: Told): readonly [object | string, MessageOptions] {
  return Array.isArray(told) ? (told as [object, MessageOptions]) : [told, {}]
}

/** The message alone. */
export function messageOf(told: Told): object | string {
  return partsOf(told)[0]
}

/** Publishes an event, sends a command, or requests a query. Gives the error that it came to, if it did. */
export async function tell(dp: Dispatcher, told: Told): Promise<Error | undefined> {
  const [message, options] = partsOf(told)
  try {
    // Started, it has a way in: else that is what it says itself.
    const kind = busOf(dp).opened?.admission.kindOf(message) ?? 'event'
    if (kind === 'event') await dp.publish(message, options)
    else if (kind === 'command') await dp.send(message, options)
    else await dp.request(message, options)
    return undefined
  } catch (thrown) {
    return asError(thrown)
  }
}
