import { types } from 'node:util'

const hides: readonly ((value: unknown) => boolean)[] = [
  (value) => Array.isArray(value),
  (value) => ArrayBuffer.isView(value),
  types.isAnyArrayBuffer,
  types.isBoxedPrimitive,
  types.isDate,
  types.isMap,
  types.isNativeError,
  types.isPromise,
  types.isRegExp,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
]

/** Whether what an object holds is elsewhere than in its fields, as with a date or a map: to copy those loses it. */
export function keepsContentElsewhere(value: object): boolean {
  return hides.some((test) => test(value))
}
