import { ImproperlyConfigured, shown } from '../errors.ts'
import type { Kind } from './kind.ts'
import { type MessageClass, type MessageType, typeName } from './message-type.ts'
import { checkSchema, type StandardSchema, validated } from './standard-schema.ts'

/** What a message class says of its data, by static members; subclasses inherit them. */
export interface Contract {
  /** `static version`: which form the data has. A whole number from 1 on; 1 where the class says nothing. */
  readonly version: number
  /** `static upcast`: makes of the data of an older version the data of this one. */
  readonly upcast: ((data: object, fromVersion: number) => unknown) | undefined
  /** `static revive`: makes the message of its data. */
  readonly revive: ((data: object) => unknown) | undefined
  /** What the constructor made by `defineX(type, schema)` has the payload validated by. */
  readonly payload: StandardSchema | undefined
  /** `static schema` of a class whose constructor does not validate by it: its instances are checked where they enter. */
  readonly schema: StandardSchema | undefined
  /** What the reply of its handler is checked by. */
  readonly result: StandardSchema | undefined
}

/** What `defineX` keeps at the class. Under a string, as the kind is: two copies of this package agree on it. */
export interface Defined {
  readonly payload: StandardSchema | undefined
  readonly result: StandardSchema | undefined
}

interface Statics {
  readonly version?: unknown
  readonly upcast?: unknown
  readonly revive?: unknown
  readonly schema?: unknown
  readonly '~defined'?: Defined
}

/** @throws {ImproperlyConfigured} for a static member that cannot be what its name says. */
export function contractOf(type: MessageClass): Contract {
  const { version = 1, upcast, revive, schema, '~defined': defined } = type as Statics
  const name = typeName(type)
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) {
    throw invalid(`The version of '${name}' is ${shown(version)}. Make it a whole number, 1 or more.`)
  }
  if (schema !== undefined) checkSchema(name, schema)
  return {
    version,
    upcast: checkFunction(name, 'upcast', upcast)?.bind(type),
    revive: checkFunction(name, 'revive', revive)?.bind(type),
    payload: defined?.payload,
    schema: schema === defined?.payload ? undefined : schema,
    result: defined?.result,
  }
}

/**
 * The check of messages of this type where they enter: there for a class with a `static schema` that its constructor has
 * not applied already.
 *
 * @throws {ImproperlyConfigured} for a contract that is faulty; the check itself: {@link ContractViolation}.
 */
export function checkOf(type: MessageType): ((message: object) => void) | undefined {
  if (typeof type === 'string') return undefined
  const { schema } = contractOf(type)
  if (schema === undefined) return undefined
  const of = { what: 'The message', type: typeName(type) }
  return (message) => void validated(schema, message, of)
}

/**
 * Whether the name of a type is the name of its class, which a minifier may change. Those of `Event`, `Command` and
 * `Query` are nobody's type.
 */
export function isNamedByClass(type: MessageType): boolean {
  if (typeof type === 'string' || Object.hasOwn(type.prototype as { '~kind'?: Kind }, '~kind')) return false
  const { type: given } = type as { type?: unknown }
  return typeof given !== 'string' || given === ''
}

type AnyFunction = (...args: unknown[]) => unknown

function checkFunction(type: string, name: string, value: unknown): AnyFunction | undefined {
  // What a static function takes, its class knows: it is called with what its name promises.
  if (value === undefined || typeof value === 'function') return value as AnyFunction | undefined
  throw invalid(`The static ${name} of '${type}' is ${shown(value)}. Make it a function, or give it another name.`)
}

function invalid(text: string): ImproperlyConfigured {
  return new ImproperlyConfigured('INVALID_CONTRACT', text)
}
