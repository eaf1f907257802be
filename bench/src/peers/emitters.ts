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

/** Given what a bus gives: the failure of a handler, thrown or as a rejection, reaches neither the others nor the publisher. */
export function withMittIsolated(handlers: readonly Listener[], kind: 'sync' | 'async'): (message: Told) => void {
  return withMitt(handlers.map((handler) => (kind === 'sync' ? catching(handler) : catchingLater(handler))))
}

const failures: unknown[] = []
const report = (error: unknown): void => void failures.push(error)

function catching(handler: Listener): Listener {
  return (message) => {
    try {
      handler(message)
    } catch (error) {
      report(error)
    }
  }
}

function catchingLater(handler: Listener): Listener {
  return (message) => {
    try {
      // It is one that returns a promise.
      ;(handler(message) as Promise<unknown>).catch(report)
    } catch (error) {
      report(error)
    }
  }
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
