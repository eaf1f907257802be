import Emittery from 'emittery'
import { EventEmitter } from 'eventemitter3'
import mitt from 'mitt'
import type { Listener } from '../handlers.ts'
import type { Told } from '../messages.ts'

type Events = { told: Told }

// Its declarations are written for CommonJS: at run time the default import is the function itself.
const makeMitt = mitt as unknown as typeof mitt.default

export function withMitt(handlers: readonly Listener[]): (message: Told) => void {
  const emitter = makeMitt<Events>()
  for (const handler of handlers) emitter.on('told', handler)
  return (message) => emitter.emit('told', message)
}

export function withEventEmitter3(handlers: readonly Listener[]): (message: Told) => void {
  const emitter = new EventEmitter<{ told: [Told] }>()
  for (const handler of handlers) emitter.on('told', handler)
  return (message) => emitter.emit('told', message)
}

/** The promise resolves when all handlers have ended. They start later than the call, in any case. */
export function withEmittery(handlers: readonly Listener[]): (message: Told) => Promise<void> {
  const emitter = new Emittery<Events>()
  for (const handler of handlers) {
    // Whatever it returns is awaited.
    emitter.on('told', ({ data }) => handler(data) as void | Promise<void>)
  }
  return (message) => emitter.emit('told', message)
}
