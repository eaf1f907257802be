import { ContractViolation, ImproperlyConfigured, shown } from '../errors.ts'
import { pathOf } from './path.ts'

/**
 * A schema by the Standard Schema specification, version 1: what zod, valibot, arktype and others make. It takes an `I`
 * and gives an `O`.
 */
export interface StandardSchema<I = unknown, O = I> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<O> | Promise<SchemaResult<O>>
    /** Never there: it carries the types. */
    readonly types?: { readonly input: I; readonly output: O } | undefined
  }
}

/** What a schema makes of a value: its output, or what is wrong with it. */
export type SchemaResult<O> =
  | { readonly value: O; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a schema takes. */
export type InputOf<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input']

/** What a schema gives. */
export type OutputOf<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output']

/** Whether something is a schema. Those of some libraries are functions. */
export function isSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  const { '~standard': standard } = value as { '~standard'?: { validate?: unknown } }
  return typeof standard?.validate === 'function'
}

/**
 * What the schema gives for a value.
 *
 * @param what names the value in front of its type, such as `'The message'`.
 * @throws {ContractViolation} with all that is wrong with the value.
 * @throws {ImproperlyConfigured} for a schema that is asynchronous.
 */
export function validated(schema: StandardSchema, value: unknown, of: { what: string; type: string }): unknown {
  const result = schema['~standard'].validate(value)
  if ('then' in result) {
    void result.then(undefined, () => {}) // Its failure, if it has one, is this fault.
    const remedy = 'Make it synchronous, and check in the handler what has to be waited for.'
    throw new ImproperlyConfigured('ASYNC_SCHEMA', `The schema of '${of.type}' is asynchronous. ${remedy}`)
  }
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ path = [], message }) => ({
    path: pathOf(path.map((segment) => (typeof segment === 'object' ? segment.key : segment))),
    message,
  }))
  throw new ContractViolation(of.what, of.type, issues)
}

/** @throws {ImproperlyConfigured} for what is no schema. */
export function checkSchema(type: string, value: unknown): asserts value is StandardSchema {
  if (isSchema(value)) return
  const remedy = 'Pass one by the Standard Schema specification: of zod, valibot, arktype or another library.'
  throw new ImproperlyConfigured('INVALID_CONTRACT', `The schema of '${type}' is ${shown(value)}. ${remedy}`)
}
