import { asError, CodecError, ContractViolation, shown } from '../errors.ts'
import { checkOf, type Contract } from './contract.ts'
import { payloadOf } from './define.ts'
import { keepsContentElsewhere } from './hidden-content.ts'
import type { MessageClass } from './message-type.ts'

/** A class as a codec knows it. */
export interface CodecType {
  readonly name: string
  readonly type: MessageClass
  readonly contract: Contract
}

/** A message as it was written, its data read. */
export interface WrittenMessage {
  readonly version: number
  readonly data: object
  /** Where in the text it stands; empty for the message itself. */
  readonly path: string
}

/**
 * Makes a message of its data: by `static revive`, else of the class's prototype and the data's fields, without its
 * constructor. Data of an older version goes through `static upcast` first, and is checked by the schema of the class.
 *
 * @throws {CodecError} for a version that the class does not know, and where its own functions fail.
 * @throws {ContractViolation} for data of an older version that does not fit the schema.
 */
export function revived(of: CodecType, written: WrittenMessage): object {
  const { type, contract } = of
  if (written.version === contract.version) return instanceOf(of, written.data, written.path)
  const data = upcast(of, written)
  return guarded(of, 'schema', written.path, () => {
    const { payload, revive } = contract
    // A class that revives itself has its own way to be constructed.
    const fitting = payload === undefined || revive !== undefined ? data : payloadOf(payload, of.name, data)
    const message = instanceOf(of, fitting, written.path)
    checkOf(type)?.(message)
    return message
  })
}

function upcast(of: CodecType, { version, data, path }: WrittenMessage): object {
  const { name, contract } = of
  if (version > contract.version || contract.upcast === undefined) {
    const remedy =
      version > contract.version ? 'Update this program first.' : `Give its class a static upcast(data, fromVersion).`
    const text = `'${name}' is of version ${version} here; its class knows version ${contract.version}. ${remedy}`
    throw new CodecError('UNKNOWN_VERSION', text, { path })
  }
  const { upcast: own } = contract
  const upcasted = guarded(of, 'upcast', path, () => own(data, version))
  if (isRecord(upcasted)) return upcasted
  throw notRevived(`The static upcast of '${name}' gave ${shown(upcasted)}. Give an object with the fields.`, path)
}

function instanceOf(of: CodecType, data: object, path: string): object {
  const { name, type, contract } = of
  const { revive } = contract
  if (revive === undefined) return ofFields(of, data, path)
  const message = guarded(of, 'revive', path, () => revive(data))
  if (typeof message === 'object' && message !== null && Object.getPrototypeOf(message) === type.prototype)
    return message
  throw notRevived(`The static revive of '${name}' gave ${shown(message)}. Give an instance of its class.`, path)
}

function ofFields({ name, type }: CodecType, data: object, path: string): object {
  const message = Object.create(type.prototype as object) as object
  for (const key of Object.keys(data)) {
    // To define `__proto__` would be harmless; to copy the message from there on would not.
    if (key === '__proto__' || key === '~kind')
      throw notRevived(`The data of '${name}' has a field '${key}'. Remove it.`, path)
    setField(message, key, (data as Readonly<Record<string, unknown>>)[key])
  }
  return message
}

/** Makes a field, whatever is inherited under its name: a setter, say. Where nothing is, the plain way is much faster. */
export function setField(of: object, key: string, value: unknown): void {
  if (key in of) Object.defineProperty(of, key, { value, enumerable: true, writable: true, configurable: true })
  else (of as Record<string, unknown>)[key] = value
}

/** Calls what a class says of itself: what that throws is told from what the codec throws. */
function guarded<T>({ name }: CodecType, member: string, path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (error instanceof ContractViolation || error instanceof CodecError) throw error
    throw notRevived(`The static ${member} of '${name}' threw: ${asError(error).message}`, path, error)
  }
}

function notRevived(text: string, path: string, cause?: unknown): CodecError {
  return new CodecError('NOT_REVIVED', text, { path, ...(cause !== undefined && { cause }) })
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !keepsContentElsewhere(value)
}
