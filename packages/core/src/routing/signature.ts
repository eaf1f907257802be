import { HandlerSignatureError, shown } from '../errors.ts'

export type HandlerShape = 'function' | 'class' | 'object'

/**
 * Tells how a handler is called.
 *
 * @param of says of what, where the handler has no name: `" of 'shop.paid'"`.
 * @throws {HandlerSignatureError} for what cannot be called: no function and no `handle`; a generator; more than two
 *   parameters, or more than one with `argname`; a ready-made object that collects events.
 */
export function handlerShape(handler: unknown, argname: string | undefined, of = ''): HandlerShape {
  if (typeof handler === 'function') {
    const prototype = handler.prototype as { handle?: unknown } | undefined
    if (typeof prototype?.handle === 'function') {
      checkParameters(`${nameOf(handler, of)}.handle`, prototype.handle, argname)
      return 'class'
    }
    if (isClass(handler)) {
      throw new HandlerSignatureError(
        `The class ${nameOf(handler, of)} has no method 'handle'. Add one: async handle(message, { context }) { ... }.`,
      )
    }
    checkParameters(nameOf(handler, of), handler, argname)
    return 'function'
  }
  if (typeof handler === 'object' && handler !== null && 'handle' in handler && typeof handler.handle === 'function') {
    if (collectsEvents(handler)) {
      throw new HandlerSignatureError(
        `${shown(handler)} collects events (addEvent, dumpEvents): those of messages handled side by side would mix. ` +
          'Bind its class, so that each attempt has an instance of its own.',
      )
    }
    checkParameters(`${shown(handler)}.handle`, handler.handle, argname)
    return 'object'
  }
  throw new HandlerSignatureError(
    `${shown(handler)} is no handler. Pass a function, a class with a method 'handle', or an object that has one.`,
  )
}

/** Whether a handler (an object, or the prototype of a class) implements `HandlerProtocol`. */
export function collectsEvents(handler: object): boolean {
  const { addEvent, dumpEvents } = handler as { addEvent?: unknown; dumpEvents?: unknown }
  return typeof addEvent === 'function' && typeof dumpEvents === 'function'
}

function checkParameters(what: string, called: Function, argname: string | undefined): void {
  const kind: unknown = called.constructor?.name
  if (kind === 'GeneratorFunction' || kind === 'AsyncGeneratorFunction') {
    throw new HandlerSignatureError(`${what} is a generator: calling it runs nothing. Make it an async function.`)
  }
  const most = argname === undefined ? 2 : 1
  if (called.length <= most) return
  throw new HandlerSignatureError(
    argname === undefined
      ? `${what} has ${called.length} parameters; a handler has at most two: (message, { context, ...injected }). ` +
          "Take what 'inject' names from the second, or name the message with 'argname' and take all from one object."
      : `${what} has ${called.length} parameters; with argname '${argname}' it has one: ({ ${argname}, context }).`,
  )
}

function isClass(value: Function): boolean {
  const prototype = Object.getOwnPropertyDescriptor(value, 'prototype')
  return prototype !== undefined && prototype.writable === false
}

function nameOf(value: Function, of: string): string {
  return value.name === '' ? `An anonymous handler${of}` : value.name
}
