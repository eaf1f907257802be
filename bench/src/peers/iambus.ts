import { Dispatcher } from '@iambus/core'
import type { Listener } from '../handlers.ts'
import { Told } from '../messages.ts'

export async function started(bind: (dp: Dispatcher) => void): Promise<Dispatcher> {
  const dp = new Dispatcher()
  bind(dp)
  await dp.start()
  return dp
}

/** A dispatcher with these handlers of the event. */
export function iambus(handlers: readonly Listener[]): Promise<Dispatcher> {
  return started((dp) => {
    for (const handler of handlers) dp.events.bind(Told, handler)
  })
}
