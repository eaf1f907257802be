import { types } from 'node:util'

type View = new (buffer: ArrayBuffer) => object

/** By name: what is written as its bytes. */
const views = new Map<string, View>(
  // oxfmt-ignore
  [
    Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView,
  ].map((view) => [view.name, view]),
)

const names = new Map<unknown, string>([
  ...[...views].map(([name, view]): [unknown, string] => [view.prototype, name]),
  [Buffer.prototype, 'Buffer'],
  [ArrayBuffer.prototype, 'ArrayBuffer'],
])

/**
 * The name of a buffer's class and its bytes in base64, as they lie in memory; `undefined` for anything else, and for
 * buffers that are shared or can change their size: they would come back as others.
 */
export function bytesOf(value: unknown): readonly [string, string] | undefined {
  if (!ArrayBuffer.isView(value) && !types.isArrayBuffer(value)) return undefined
  const name = names.get(Object.getPrototypeOf(value))
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value
  if (name === undefined || !types.isArrayBuffer(buffer) || (buffer as { resizable?: boolean }).resizable === true) {
    return undefined
  }
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(buffer, value.byteOffset, value.byteLength)
    : Buffer.from(buffer)
  return [name, bytes.toString('base64')]
}

/** The buffer of a class, with these bytes; `undefined` where there is none such. */
export function viewOf(name: string, base64: string): object | undefined {
  const decoded = Buffer.from(base64, 'base64')
  if (decoded.toString('base64') !== base64) return undefined
  if (name === 'Buffer') return decoded
  // Of its own: small buffers of Node share one.
  const buffer = new Uint8Array(decoded).buffer
  if (name === 'ArrayBuffer') return buffer
  const view = views.get(name)
  const { BYTES_PER_ELEMENT: width = 1 } = Object(view) as { BYTES_PER_ELEMENT?: number }
  return view === undefined || buffer.byteLength % width !== 0 ? undefined : new view(buffer)
}
