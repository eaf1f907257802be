import { types } from 'node:util'

/** Tells where two values differ, in class, content or fields; `undefined` where they are the same. It trusts no `equals` of others. */
export function difference(a: unknown, b: unknown, path = 'it'): string | undefined {
  if (Object.is(a, b)) return undefined
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return path
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return `${path}: prototype`
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return `${path}: kind`
  return differenceIn(contentOf(a), contentOf(b), path) ?? differenceIn(fieldsOf(a), fieldsOf(b), path)
}

function differenceIn(a: readonly unknown[], b: readonly unknown[], path: string): string | undefined {
  if (a.length !== b.length) return `${path}: ${a.length} and ${b.length}`
  return a.map((one, index) => difference(one, b[index], `${path}/${index}`)).find((found) => found !== undefined)
}

/** What is elsewhere than in fields. */
function contentOf(value: object): unknown[] {
  if (types.isDate(value)) return [value.getTime()]
  if (types.isMap(value)) return [...value].flat()
  if (types.isSet(value)) return [...value]
  if (value instanceof URL) return [value.href]
  if (types.isArrayBuffer(value)) return [...new Uint8Array(value)]
  if (ArrayBuffer.isView(value)) return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]
  return types.isNativeError(value) ? [value.stack] : []
}

/** Names, whether they are listed, and values; holes have none. The stack of an error may be a getter or a field. */
function fieldsOf(value: object): unknown[] {
  if (ArrayBuffer.isView(value)) return []
  const fields = Object.entries(Object.getOwnPropertyDescriptors(value)).filter(
    ([name]) => name !== 'stack' || !types.isNativeError(value),
  )
  return fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, field]) => [name, field.enumerable, 'value' in field, field.value])
}
