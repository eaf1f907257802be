import { types } from 'node:util'
import * as ours from '../errors.ts'

/** By name: the errors of the language, and ours. */
const classes = new Map<string, { readonly prototype: object }>([
  ...[Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].map(
    (language): [string, { readonly prototype: object }] => [language.name, language],
  ),
  // By the names that they are exported under: those of the classes themselves may be minified.
  ...Object.entries(ours).filter(([, { prototype }]) => prototype instanceof Error),
])

const names = new Map<unknown, string>([...classes].map(([name, { prototype }]) => [prototype, name]))

/** What an error is written as: the name of its class, what a listing of its fields does not show, and what it does. */
export interface ErrorParts {
  readonly class: string
  readonly hidden: object
  readonly fields: object
}

/** The parts of an error of a known class; `undefined` for anything else. */
export function partsOfError(value: unknown): ErrorParts | undefined {
  if (!types.isNativeError(value)) return undefined
  const name = names.get(Object.getPrototypeOf(value))
  if (name === undefined) return undefined
  const parts = { class: name, hidden: {}, fields: {} }
  for (const key of Reflect.ownKeys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor
    const into = property.enumerable === true ? parts.fields : parts.hidden
    // Its stack may be given by a getter, which is the engine's own.
    const isStack = key === 'stack' && property.enumerable === false
    Object.defineProperty(
      into,
      key,
      isStack ? { value: value.stack, enumerable: true } : { ...property, enumerable: true },
    )
  }
  return parts
}

/** An error with these fields; `undefined` for a class that is not known. */
export function errorOf(name: string, hidden: object, fields: object): Error | undefined {
  const known = classes.get(name)
  if (known === undefined) return undefined
  const error = new Error() // And not `Object.create`: what makes it an error is given by this constructor alone.
  for (const key of Reflect.ownKeys(error)) Reflect.deleteProperty(error, key)
  for (const [from, enumerable] of [
    [hidden, false],
    [fields, true],
  ] as const) {
    for (const [key, value] of Object.entries(from)) {
      Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true })
    }
  }
  return Object.setPrototypeOf(error, known.prototype) as Error
}
