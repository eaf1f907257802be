import { Dispatcher, type DispatcherOptions } from '@iambus/core'
import type { Listener } from '../handlers.ts'
import { Told } from '../messages.ts'

export async function started(bind: (dp: Dispatcher) => void, options?: DispatcherOptions): Promise<Dispatcher> {
  const dp = new Dispatcher(options)
  bind(dp)
  await dp.start()
  return dp
}

/** A dispatcher with these handlers of the event. */
export function iambus(handlers: readonly Listener[], options?: DispatcherOptions): Promise<Dispatcher> {
  return started((dp) => {
    for (const handler of handlers) dp.events.bind(Told, handler)
  }, options)
}
