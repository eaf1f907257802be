import { asError, HandlerConstructionFailed } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Binding } from '../routing/binding.ts'
import type { Context } from '../routing/context.ts'
import type { HandlerProtocol } from '../routing/handler.ts'
import type { Attempt } from '../routing/middleware.ts'
import { OpenProviders, Provider } from '../routing/providers.ts'
import { collectsEvents } from '../routing/signature.ts'

type Values = Readonly<Record<string, unknown>>
type Call = (message: unknown, deps: { readonly context: Context }) => unknown
type Instance = { handle: Call } & Partial<Pick<HandlerProtocol, 'dumpEvents'>>
type HandlerConstructor = new (deps: Values) => Instance

/**
 * Makes of a binding the function that runs one attempt: what is injected is at hand, what can be constructed once is
 * constructed. Of all the ways to call a handler, the cheapest that will do.
 *
 * @throws {HandlerConstructionFailed} for a class whose constructor throws.
 */
export function attemptOf(binding: Binding, singletons: OpenProviders, observer: Observer): Attempt {
  const { handler, inject, shape } = binding
  const values = Object.fromEntries(
    Object.entries(inject).map(([name, value]) => [
      name,
      value instanceof Provider ? singletons.get(value.name) : value,
    ]),
  )
  if (needsItsOwn(binding)) return attemptWithItsOwn(binding, values, observer)
  const isClass = shape === 'class'
  const call = callOf(binding, isClass ? construct(handler as HandlerConstructor, values) : handler)
  if (isClass || Object.keys(inject).length === 0) {
    // Where nothing is injected, the context is what the handler is given: it is found in itself.
    return binding.argname === undefined ? call : (message, { context }) => call(message, { context })
  }
  return (message, { context }) => call(message, { ...values, context })
}

/** Whether each attempt has something of its own: a factory's value, or an instance that collects events. */
function needsItsOwn(binding: Binding): boolean {
  return factoriesIn(binding).length > 0 || collects(binding)
}

function attemptWithItsOwn(binding: Binding, values: Values, observer: Observer): Attempt {
  const factories = factoriesIn(binding)
  return async (message, { context }) => {
    const opened = new OpenProviders(observer)
    try {
      const injected: Record<string, unknown> = { ...values }
      for (const [name, factory] of factories) injected[name] = await opened.open(factory)
      if (binding.shape === 'function') return await callOf(binding, binding.handler)(message, { ...injected, context })
      const instance = construct(binding.handler as HandlerConstructor, injected)
      const response = await callOf(binding, instance)(message, { context })
      const events = collects(binding) ? await instance.dumpEvents?.() : undefined
      for (const event of events ?? []) context.publish(event)
      return response
    } finally {
      await opened.close()
    }
  }
}

/** The function that takes (message, deps), whatever the handler looks like. */
function callOf({ argname }: Binding, handler: object): Call {
  const instance = handler as Instance
  const call: Call =
    typeof handler === 'function' ? (handler as Call) : (message, deps) => instance.handle(message, deps)
  if (argname === undefined) return call
  // The one argument takes the place of the message; that the handler expects it so was checked when it was bound.
  return (message, deps) => call({ ...deps, [argname]: message }, deps)
}

function construct(constructor: HandlerConstructor, injected: Values): Instance {
  try {
    return new constructor(injected)
  } catch (thrown) {
    throw new HandlerConstructionFailed(constructor.name, asError(thrown))
  }
}

function collects({ shape, handler }: Binding): boolean {
  return shape === 'class' && collectsEvents((handler as HandlerConstructor).prototype)
}

function factoriesIn({ inject }: Binding): [string, Provider<unknown>][] {
  return Object.entries(inject).filter(
    (entry): entry is [string, Provider<unknown>] => entry[1] instanceof Provider && entry[1].lifetime === 'factory',
  )
}
