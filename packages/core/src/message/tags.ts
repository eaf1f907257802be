import { types } from 'node:util'
import { bytesOf, viewOf } from './tagged-bytes.ts'
import { errorOf, partsOfError } from './tagged-errors.ts'

/**
 * A kind of value that JSON has no form for. It is written as an object with one field, `$` and the name of its tag, in
 * which are its parts, written like any other value.
 */
export interface Tag {
  readonly name: string
  /** The parts of a value of this kind; `undefined` for any other. */
  readonly partsOf: (value: unknown) => unknown
  /** Makes the value of its parts. @throws {Mismatch} for what it cannot have been written as. */
  readonly make: (parts: unknown) => unknown
}

/** What stands in a tag cannot be the parts of its kind of value. */
export class Mismatch extends Error {}

export const tags: readonly Tag[] = [
  {
    name: 'undefined',
    partsOf: (value) => (value === undefined ? true : undefined),
    make: (parts) => (parts === true ? undefined : mismatch()),
  },
  {
    name: 'number',
    partsOf: (value) => {
      if (Object.is(value, -0)) return '-0'
      return typeof value === 'number' && !Number.isFinite(value) ? String(value) : undefined
    },
    make: (parts) => (['NaN', 'Infinity', '-Infinity', '-0'].includes(textIn(parts)) ? Number(parts) : mismatch()),
  },
  {
    name: 'bigint',
    partsOf: (value) => (typeof value === 'bigint' ? String(value) : undefined),
    make: (parts) => (/^(?:0|-?[1-9]\d*)$/.test(textIn(parts)) ? BigInt(textIn(parts)) : mismatch()),
  },
  {
    name: 'date',
    partsOf: (value) => {
      if (!types.isDate(value) || !isBare(value, Date.prototype)) return undefined
      return Number.isNaN(value.getTime()) ? null : value.toISOString()
    },
    make: (parts) => {
      if (parts === null) return new Date(Number.NaN)
      const date = new Date(textIn(parts))
      return !Number.isNaN(date.getTime()) && date.toISOString() === parts ? date : mismatch()
    },
  },
  {
    name: 'map',
    partsOf: (value) => (types.isMap(value) && isBare(value, Map.prototype) ? [...value] : undefined),
    make: (parts) => {
      const map = new Map(
        listIn(parts).map((entry) => (listIn(entry).length === 2 ? (entry as [unknown, unknown]) : mismatch())),
      )
      return map.size === listIn(parts).length ? map : mismatch()
    },
  },
  {
    name: 'set',
    partsOf: (value) => (types.isSet(value) && isBare(value, Set.prototype) ? [...value] : undefined),
    make: (parts) => {
      const set = new Set(listIn(parts))
      return set.size === listIn(parts).length ? set : mismatch()
    },
  },
  {
    name: 'url',
    partsOf: (value) => (value instanceof URL && isBare(value, URL.prototype) ? value.href : undefined),
    make: (parts) => {
      const url = URL.parse(textIn(parts))
      return url?.href === parts ? url : mismatch()
    },
  },
  {
    name: 'bytes',
    partsOf: bytesOf,
    make: (parts) => {
      const [name, base64, ...more] = listIn(parts)
      const view = viewOf(textIn(name), textIn(base64))
      return more.length === 0 && view !== undefined ? view : mismatch()
    },
  },
  {
    name: 'error',
    partsOf: partsOfError,
    make: (parts) => {
      const { class: name, hidden, fields, ...more } = recordIn(parts)
      const error = errorOf(textIn(name), recordIn(hidden), recordIn(fields))
      return Object.keys(more).length === 0 && error !== undefined ? error : mismatch()
    },
  },
  {
    name: 'bare',
    partsOf: (value) => {
      if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== null) return undefined
      return Object.defineProperties({}, Object.getOwnPropertyDescriptors(value))
    },
    make: (parts) => Object.defineProperties(Object.create(null), Object.getOwnPropertyDescriptors(recordIn(parts))),
  },
]

/** Whether a value is of the very class, and has nothing besides what the class keeps. */
function isBare(value: object, prototype: object): boolean {
  return Object.getPrototypeOf(value) === prototype && Reflect.ownKeys(value).length === 0
}

function textIn(parts: unknown): string {
  return typeof parts === 'string' ? parts : mismatch()
}

function listIn(parts: unknown): readonly unknown[] {
  return Array.isArray(parts) ? parts : mismatch()
}

function recordIn(parts: unknown): Readonly<Record<string, unknown>> {
  const isRecord = typeof parts === 'object' && parts !== null && Object.getPrototypeOf(parts) === Object.prototype
  return isRecord ? (parts as Record<string, unknown>) : mismatch()
}

function mismatch(): never {
  throw new Mismatch()
}
