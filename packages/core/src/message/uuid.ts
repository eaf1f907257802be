import { randomFillSync } from 'node:crypto'

const pool = new Uint8Array(10 * 128)
let used = pool.length
let lastMs = 0
let sequence = 0

/**
 * A new id for a message that is stored or travels: a UUID of version 7 (RFC 9562), so that ids made one after the other stand
 * side by side in an index. The twelve bits after the time count within a millisecond.
 */
export function uuidV7(nowMs: number): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    sequence = 0
  } else if (sequence < 0xf_ff) sequence += 1
  else {
    lastMs += 1
    sequence = 0
  }
  if (used + 8 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const time = lastMs.toString(16).padStart(12, '0')
  const count = sequence.toString(16).padStart(3, '0')
  const variant = (((pool[used] as number) & 0x3f) | 0x80).toString(16)
  let random = ''
  for (let index = used + 1; index < used + 8; index += 1)
    random += (pool[index] as number).toString(16).padStart(2, '0')
  used += 8
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${variant}${random.slice(0, 2)}-${random.slice(2)}`
}
