import type { Fits, ResultOf } from '../message/kind.ts'
import type { Context } from './context.ts'
import type { Awaitable, Injected } from './providers.ts'

/** What a handler is given besides the message: what `inject` names, and always `context`. */
export type Deps<P> = Injected<P> & { readonly context: Context }

/** What a handler of `M` may return: its result; and, where it has none, the response events it was bound with. */
export type Reply<M, E> = ResultOf<M> | (ResultOf<M> extends void ? E | readonly E[] : never)

/** A handler as a function. It may leave out `deps`, or both parameters. */
export type HandlerFunction<M, P, E> = (message: M, deps: Deps<P>) => Awaitable<Reply<M, E>>

/** A handler with one object parameter, in which the message has the name that `argname` gives it. */
export type NamedHandlerFunction<M, A extends string, P, E> = (
  args: { readonly [K in A]: M } & Deps<P>,
) => Awaitable<Reply<M, E>>

/** What the class of a handler has: `handle`. */
export interface HandlerInstance<M, E> {
  handle(message: M, deps: { readonly context: Context }): Awaitable<Reply<M, E>>
}

/** The same, bound with `argname`. */
export interface NamedHandlerInstance<M, A extends string, E> {
  handle(args: { readonly [K in A]: M } & { readonly context: Context }): Awaitable<Reply<M, E>>
}

/** A handler as a class: constructed with what `inject` names, once at `start()`, or for each attempt where it must. */
export type HandlerClass<M, P, E> = new (deps: Injected<P>) => HandlerInstance<M, E>

/** A handler as a ready-made object. It must not collect events: those of messages handled side by side would mix. */
export type HandlerObject<M, E> = HandlerInstance<M, E> & { readonly addEvent?: never }

/**
 * A handler class that collects events while it handles a message. They are published after it succeeded, in order.
 * Each attempt has an instance of its own.
 */
export interface HandlerProtocol<M = object, R = unknown> {
  handle(message: M, deps: { readonly context: Context }): Awaitable<R>
  /** Adds an event, to be published when the attempt has succeeded. */
  addEvent(event: Fits<'event'> | string): Awaitable<void>
  /** Gives the events added so far, and forgets them. */
  dumpEvents(): Awaitable<readonly (Fits<'event'> | string)[]>
}

/**
 * A {@link HandlerProtocol} with the last two methods done. `R` is what it answers: that of its message, unless said otherwise.
 *
 * ```ts
 * class CreateBookHandler extends AbstractHandler<CreateBook> {
 *   async handle(command: CreateBook) { await this.addEvent(new BookCreated({ title: command.title })) }
 * }
 * ```
 */
export abstract class AbstractHandler<M = object, R = ResultOf<M>> implements HandlerProtocol<M, R> {
  #events: (Fits<'event'> | string)[] = []

  abstract handle(message: M, deps: { readonly context: Context }): Awaitable<R>

  addEvent(event: Fits<'event'> | string): void {
    this.#events.push(event)
  }

  dumpEvents(): readonly (Fits<'event'> | string)[] {
    const events = this.#events
    this.#events = []
    return events
  }
}
