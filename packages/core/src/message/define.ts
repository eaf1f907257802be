import { InvalidMessage, shown } from '../errors.ts'
import { Command, Event, Query } from './kind.ts'

/** A message class made by `defineEvent`, `defineCommand` or `defineQuery`: constructed with its payload, if it has one. */
export interface DefinedClass<M extends object, P> {
  new (...payload: P extends object ? [payload: P] : []): M & Readonly<P extends object ? P : unknown>
  /** The name of the type, wherever the message travels. */
  readonly type: string
}

/**
 * Makes the class of an event with a payload of type `P`, whose fields become the message's own.
 *
 * ```ts
 * class BookCreated extends defineEvent<{ book: Book }>('library.book-created') {}
 * new BookCreated({ book }).book
 * ```
 *
 * @param type the name of the type, unique in the program, such as `'library.book-created'`.
 * @throws {InvalidMessage} for an empty name, and from the constructor for a payload that is no object.
 */
export function defineEvent<P extends object | void = void>(type: string): DefinedClass<Event, P> {
  return withType(
    type,
    class extends Event {
      constructor(payload?: object) {
        super()
        fill(this, type, payload)
      }
    },
  )
}

/** Makes the class of a command with a payload of type `P`, answered with an `R`. See {@link defineEvent}. */
export function defineCommand<P extends object | void = void, R = void>(type: string): DefinedClass<Command<R>, P> {
  return withType(
    type,
    class extends Command<R> {
      constructor(payload?: object) {
        super()
        fill(this, type, payload)
      }
    },
  )
}

/** Makes the class of a query with a payload of type `P`, answered with an `R`. See {@link defineEvent}. */
export function defineQuery<P extends object | void, R>(type: string): DefinedClass<Query<R>, P> {
  return withType(
    type,
    class extends Query<R> {
      constructor(payload?: object) {
        super()
        fill(this, type, payload)
      }
    },
  )
}

function withType<M extends object, P>(type: string, made: new (payload?: object) => M): DefinedClass<M, P> {
  if (typeof type !== 'string' || type === '') {
    throw new InvalidMessage(
      `${shown(type)} is no name for a message type. Give it one, such as 'library.book-created'.`,
    )
  }
  Object.defineProperty(made, 'type', { value: type, enumerable: true, writable: true })
  // The fields of P exist once `fill` has run: the class itself cannot say so.
  return made as unknown as DefinedClass<M, P>
}

function fill(message: object, type: string, payload: object | undefined): void {
  if (payload === undefined) return
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new InvalidMessage(`The payload of '${type}' is ${shown(payload)}. Pass an object with its fields.`)
  }
  // Assigning these would change what the message is an instance of, or its kind.
  for (const name of ['__proto__', '~kind']) {
    if (!Object.hasOwn(payload, name)) continue
    throw new InvalidMessage(`The payload of '${type}' has a field '${name}'. Remove it.`)
  }
  Object.assign(message, payload)
}
