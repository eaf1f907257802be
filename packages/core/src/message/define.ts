import { InvalidMessage, shown } from '../errors.ts'
import { checkNames } from '../options.ts'
import type { Defined } from './contract.ts'
import { keepsContentElsewhere } from './hidden-content.ts'
import { Command, Event, Query } from './kind.ts'
import { checkSchema, type InputOf, type OutputOf, type StandardSchema, validated } from './standard-schema.ts'

/** A message class made by `defineEvent`, `defineCommand` or `defineQuery`: constructed with its payload, if it has one. */
export interface DefinedClass<M extends object, P> {
  new (...payload: P extends object ? [payload: P] : []): M & Readonly<P extends object ? P : unknown>
  /** The name of the type, wherever the message travels. */
  readonly type: string
}

/** A schema that takes and gives an object: the payload of a message. */
export type PayloadSchema = StandardSchema<object, object>

/** The same, made with a schema: constructed with what that takes, it holds what that gives. */
export interface SchemaClass<M extends object, S extends PayloadSchema> {
  new (payload: InputOf<S>): M & Readonly<OutputOf<S>>
  /** The name of the type, wherever the message travels. */
  readonly type: string
  readonly schema: S
}

/**
 * What the handler of a message answers, as a schema. The reply is checked by it, and stays as it is: so what the schema
 * gives must be something that it takes.
 */
export interface ResultOption<R extends StandardSchema> {
  readonly result: R & (OutputOf<R> extends InputOf<R> ? unknown : 'a schema that changes the type of what it takes')
}

/**
 * Makes the class of an event with a payload of type `P`, whose fields become the message's own.
 *
 * ```ts
 * class BookCreated extends defineEvent<{ book: Book }>('library.book-created') {}
 * new BookCreated({ book }).book
 * ```
 *
 * With a `schema` (of zod, valibot, arktype: any Standard Schema of an object), the constructor takes what the schema
 * takes, validates it, and the message holds what the schema gives.
 *
 * @param type the name of the type, unique in the program, such as `'library.book-created'`.
 * @throws {InvalidMessage} for an empty name, and from the constructor for a payload that is no object.
 * @throws {ImproperlyConfigured} for what is no schema, and from the constructor for a schema that is asynchronous.
 * @throws {ContractViolation} from the constructor, for a payload that is not what the schema takes.
 */
export function defineEvent<P extends object | void = void>(type: string): DefinedClass<Event, P>
export function defineEvent<S extends PayloadSchema>(type: string, schema: S): SchemaClass<Event, S>
export function defineEvent(type: string, schema?: StandardSchema): unknown {
  return completed(
    class extends Event {
      constructor(payload?: object) {
        super()
        fill(this, type, schema === undefined ? payload : payloadOf(schema, type, payload))
      }
    },
    type,
    { payload: schema, result: undefined },
  )
}

/**
 * Makes the class of a command with a payload of type `P`, answered with an `R`; or with schemas of both, where the
 * handler's reply is checked too. See {@link defineEvent}.
 */
export function defineCommand<P extends object | void = void, R = void>(type: string): DefinedClass<Command<R>, P>
export function defineCommand<S extends PayloadSchema>(type: string, schema: S): SchemaClass<Command, S>
export function defineCommand<S extends PayloadSchema, R extends StandardSchema>(
  type: string,
  schema: S,
  options: ResultOption<R>,
): SchemaClass<Command<OutputOf<R>>, S>
export function defineCommand(
  type: string,
  schema?: StandardSchema,
  options?: { readonly result: StandardSchema },
): unknown {
  return completed(
    class extends Command<unknown> {
      constructor(payload?: object) {
        super()
        fill(this, type, schema === undefined ? payload : payloadOf(schema, type, payload))
      }
    },
    type,
    { payload: schema, result: resultIn('defineCommand', type, options) },
  )
}

/**
 * Makes the class of a query with a payload of type `P`, answered with an `R`; or with schemas of both, where the
 * handler's reply is checked too. See {@link defineEvent}.
 */
export function defineQuery<P extends object | void, R>(type: string): DefinedClass<Query<R>, P>
export function defineQuery<S extends PayloadSchema, R extends StandardSchema>(
  type: string,
  schema: S,
  options: ResultOption<R>,
): SchemaClass<Query<OutputOf<R>>, S>
export function defineQuery(
  type: string,
  schema?: StandardSchema,
  options?: { readonly result: StandardSchema },
): unknown {
  return completed(
    class extends Query<unknown> {
      constructor(payload?: object) {
        super()
        fill(this, type, schema === undefined ? payload : payloadOf(schema, type, payload))
      }
    },
    type,
    { payload: schema, result: resultIn('defineQuery', type, options) },
  )
}

function completed(made: Function, type: string, defined: Defined): unknown {
  if (typeof type !== 'string' || type === '') {
    throw new InvalidMessage(
      `${shown(type)} is no name for a message type. Give it one, such as 'library.book-created'.`,
    )
  }
  const { payload, result } = defined
  Object.defineProperty(made, 'type', { value: type, enumerable: true, writable: true })
  Object.defineProperty(made, '~defined', { value: defined })
  if (result !== undefined) checkSchema(type, result)
  if (payload === undefined) return made
  checkSchema(type, payload)
  return Object.defineProperty(made, 'schema', { value: payload, enumerable: true, writable: true })
}

function resultIn(where: string, type: string, options: { readonly result: StandardSchema } | undefined) {
  if (options === undefined) return undefined
  checkNames(`${where}('${type}')`, options, ['result'])
  return options.result
}

/**
 * What the schema of a message gives for a payload, as the fields of that message.
 * @throws {ContractViolation | ImproperlyConfigured | InvalidMessage}
 */
export function payloadOf(schema: StandardSchema, type: string, payload: unknown): object {
  const output = validated(schema, payload, { what: 'The message', type })
  if (typeof output === 'object' && output !== null && !keepsContentElsewhere(output)) return output
  throw new InvalidMessage(
    `The schema of '${type}' gave ${shown(output)}. Make it the schema of an object with fields.`,
  )
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
