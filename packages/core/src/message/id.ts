let prefix = ''
let counter = 0

/**
 * A new id: a random prefix of this thread, and a counter. Unique, cheap (a `randomUUID` per message costs six times as
 * much), and never used for order.
 */
export function nextId(): string {
  if (prefix === '') prefix = Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString('base64url')
  counter += 1
  return `${prefix}-${counter.toString(36)}`
}
