import { HandlerSignatureError, ImproperlyConfigured, InvalidMessage, InvalidOption, shown } from '../errors.ts'
import { contractOf } from '../message/contract.ts'
import type { Kind } from '../message/kind.ts'
import { isMessageType, type MessageClass, type MessageType, markedKind, typeName } from '../message/message-type.ts'
import { checkDurationMs, checkNames, checkOnDead, checkWorkers, type OnDead } from '../options.ts'
import { checkRecover, type Recover } from './recover.ts'
import { type HandlerShape, handlerShape } from './signature.ts'

/** The options of `bind` and `register`. */
export interface BindOptions<P, E extends object> {
  /** What tells this handler from others of its router. Default: the name of its function or class, else `<type>#<n>`. */
  readonly name?: string | undefined
  /** What the handler needs: plain values, and providers made by `singleton` or `factory`. `context` is reserved. */
  readonly inject?: (P & { readonly context?: never }) | undefined
  /**
   * The event class or classes of which a returned instance, or each instance in a returned array, is published after
   * success. What is no instance of them is only the response.
   */
  readonly responseEvent?: MessageClass<E> | readonly MessageClass<E>[] | undefined
  /** How many of its deliveries may run at a time. Default: as many as there are, up to the router's and dispatcher's. */
  readonly workers?: number | undefined
  /**
   * How long an attempt may take, in milliseconds. Then its `context.signal` aborts, and it has failed; its lane and
   * worker are held until it ends. Default: as long as it takes.
   */
  readonly timeoutMs?: number | undefined
  /**
   * What becomes of a delivery whose attempt has failed: `retry()`, `deadLetter()`, `discard()`, your own function, or
   * several. What they leave undecided, the router decides, then the dispatcher.
   */
  readonly recover?: Recover | readonly Recover[] | undefined
  /**
   * What becomes of the later messages of a key when one has died. Messages without a key never wait for each other.
   * Default: the router's, then the dispatcher's.
   */
  readonly onDead?: OnDead | undefined
  /**
   * Whether its deliveries are kept in the dispatcher's store, and survive a crash. Default: true where there is a store; those
   * of queries never are. A durable handler needs a `name`: it is known by it.
   */
  readonly durable?: boolean | undefined
  /** The names that it had before: what is stored under them is its own. */
  readonly formerly?: string | readonly string[] | undefined
  /** Where a handler that the store does not know yet begins: with what comes, or with all that is kept. Default `'now'`. */
  readonly from?: 'now' | 'beginning' | undefined
}

/** One handler as it was bound: what `bind` records, `start()` checks and the engine runs. */
export interface Binding {
  readonly router: Kind
  readonly types: readonly MessageType[]
  /** What was bound: a function, a class, or an object. */
  readonly handler: object
  readonly shape: HandlerShape
  /** The name that was given, if one was. */
  readonly givenName: string | undefined
  /** The name of the function or class; empty where it has none. */
  readonly ownName: string
  readonly inject: Readonly<Record<string, unknown>>
  readonly argname: string | undefined
  readonly responseEvents: readonly MessageClass[]
  readonly workers: number | undefined
  readonly timeoutMs: number | undefined
  readonly recover: readonly Recover[]
  readonly onDead: OnDead | undefined
  readonly durable: boolean | undefined
  readonly formerly: readonly string[]
  readonly from: 'now' | 'beginning'
  /** Made by the call of `bind`: its stack tells where that was. */
  readonly boundAt: Error
}

/** What a user wrote in a call of `bind` or `register`, not yet checked. */
export interface BindCall {
  readonly message: unknown
  readonly handler: unknown
  readonly options: BindOptions<object, object> & { readonly argname?: string | undefined }
  /** The name of a decorated method, which its function alone does not tell. */
  readonly ownName?: string | undefined
}

/** The kind's router, as users call it. */
export const routerName = { event: 'events', command: 'commands', query: 'queries' } as const

const optionNames = [
  'name',
  'inject',
  'argname',
  'responseEvent',
  'workers',
  'timeoutMs',
  'recover',
  'onDead',
  'durable',
  'formerly',
  'from',
]

/**
 * Checks one call of `bind` by itself; what several bindings together get wrong, `wiring.ts` finds.
 *
 * @throws {IambusError} the fault, for `start()` to report.
 */
export function bindingOf(kind: Kind, call: BindCall): Binding {
  const { message, handler, options } = call
  checkNames(`dp.${routerName[kind]}.bind`, options, optionNames)
  const types = checkTypes(kind, message)
  const { name, inject = {}, argname, responseEvent = [], workers, timeoutMs, recover, onDead } = options
  const of = ` of ${types.map((type) => `'${typeName(type)}'`).join(', ')}`
  const whose = `A handler${of}: `
  if (workers !== undefined) checkWorkers(whose, workers)
  if (timeoutMs !== undefined) checkDurationMs(`${whose}timeoutMs`, timeoutMs)
  if (onDead !== undefined) checkOnDead(whose, onDead)
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw new ImproperlyConfigured('INVALID_NAME', `The name of a handler is ${shown(name)}. Pass a string.`)
  }
  checkInject(inject, argname)
  const shape = handlerShape(handler, argname, of)
  if (shape === 'object' && Object.keys(inject).length > 0) {
    throw new HandlerSignatureError(
      `${shown(handler)} is constructed already: nothing can be injected. Bind its class, or leave out 'inject'.`,
    )
  }
  return {
    router: kind,
    types,
    handler: handler as object,
    shape,
    givenName: name,
    ownName: call.ownName ?? ownNameOf(handler as object, shape),
    inject,
    argname,
    responseEvents: checkResponseEvents(responseEvent),
    workers,
    timeoutMs,
    recover: checkRecover(whose, recover),
    onDead,
    ...checkDurable(whose, options),
    boundAt: new Error('bound here'),
  }
}

/** Whether its deliveries are kept where there is a store. */
export function mayBeDurable({ router, durable }: Binding): boolean {
  return router !== 'query' && durable !== false
}

function checkDurable(
  whose: string,
  { durable, formerly = [], from = 'now' }: BindOptions<object, object>,
): Pick<Binding, 'durable' | 'formerly' | 'from'> {
  if (durable !== undefined && typeof durable !== 'boolean') {
    throw new InvalidOption(`${whose}durable is ${shown(durable)}. Pass true or false.`)
  }
  if (from !== 'now' && from !== 'beginning') {
    throw new InvalidOption(`${whose}from is ${shown(from)}. Pass 'now' or 'beginning'.`)
  }
  const names: readonly unknown[] = Array.isArray(formerly) ? formerly : [formerly]
  for (const name of names) {
    if (typeof name !== 'string' || name === '' || name.includes('/')) {
      throw new InvalidOption(`${whose}formerly has ${shown(name)}. Pass the names it had, as given to 'name'.`)
    }
  }
  return { durable, formerly: names as readonly string[], from }
}

function checkTypes(kind: Kind, message: unknown): MessageType[] {
  const types: unknown[] = Array.isArray(message) ? message : [message]
  if (types.length === 0) throw new InvalidMessage('A handler was bound to an empty array. Name a message class.')
  return types.map((type) => {
    if (!isMessageType(type)) {
      throw new InvalidMessage(`A handler was bound to ${shown(type)}. Bind it to a message class or a string.`)
    }
    if (typeName(type) === '') {
      throw new InvalidMessage("A handler was bound to a class without a name. Give it a `static type = 'my.message'`.")
    }
    const marked = markedKind(type)
    if (marked !== undefined && marked !== kind) {
      throw new ImproperlyConfigured(
        'WRONG_ROUTER',
        `'${typeName(type)}' is a class of kind '${marked}' and was bound on dp.${routerName[kind]}. ` +
          `Bind it on dp.${routerName[marked]}.`,
      )
    }
    if (typeof type !== 'string') contractOf(type)
    return type
  })
}

function checkInject(inject: unknown, argname: unknown): void {
  if (typeof inject !== 'object' || inject === null) {
    throw new ImproperlyConfigured('INVALID_INJECT', `'inject' is ${shown(inject)}. Pass an object.`)
  }
  if (Object.hasOwn(inject, 'context') || argname === 'context') {
    throw new ImproperlyConfigured(
      'RESERVED_NAME',
      "The name 'context' is reserved: every handler finds its context there. Choose another in 'inject' or 'argname'.",
    )
  }
  if (argname !== undefined && (typeof argname !== 'string' || argname === '' || Object.hasOwn(inject, argname))) {
    throw new HandlerSignatureError(
      `argname is ${shown(argname)}. Pass a string that is not empty, and that 'inject' does not name.`,
    )
  }
}

function checkResponseEvents(given: unknown): MessageClass[] {
  const classes: unknown[] = Array.isArray(given) ? given : [given]
  return classes.map((type) => {
    const kind = isMessageType(type) ? markedKind(type) : undefined
    if (typeof type === 'function' && isMessageType(type) && (kind === undefined || kind === 'event')) {
      return type
    }
    const what = kind === undefined ? shown(type) : `'${typeName(type as MessageType)}', a ${kind}`
    throw new ImproperlyConfigured('INVALID_RESPONSE_EVENT', `A responseEvent is ${what}. Pass an event class.`)
  })
}

function ownNameOf(handler: object, shape: HandlerShape): string {
  if (shape !== 'object') return (handler as Function).name
  const name: unknown = handler.constructor?.name
  return typeof name === 'string' && name !== 'Object' ? name : ''
}
