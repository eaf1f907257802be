/** What a message is for: an event is told, a command asked to act, a query asked to answer. */
export type Kind = 'event' | 'command' | 'query'

/**
 * Marks a class as an event: something that happened, told to any number of handlers.
 *
 * ```ts
 * class ShopOpened extends Event { readonly at = new Date() }
 * ```
 */
export abstract class Event {
  get '~kind'(): 'event' {
    return 'event'
  }
}

/**
 * Marks a class as a command: one handler is asked to act. `R` is what the handler answers to `request()`.
 */
export abstract class Command<R = void> {
  declare readonly '~result': R

  get '~kind'(): 'command' {
    return 'command'
  }
}

/**
 * Marks a class as a query: one handler is asked to answer with an `R`.
 */
export abstract class Query<R> {
  declare readonly '~result': R

  get '~kind'(): 'query' {
    return 'query'
  }
}

/** Messages that may be of kind `K`: those marked so, and instances of plain classes, which carry no mark; no classes. */
export type Fits<K extends Kind> = object & { readonly '~kind'?: K; readonly prototype?: never }

/** What a handler of `M` answers: the `R` of its `Command<R>` or `Query<R>`, else `unknown`. */
export type ResultOf<M> = M extends { readonly '~result': infer R } ? R : unknown
