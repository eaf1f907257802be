import { inspect } from 'node:util'

/** How much of a payload is shown, in characters. */
const SHOWN = 160

/** A message on one line: the name of its type, and what is in it. */
export function messageText(type: string, message: object | string): string {
  const payload = typeof message === 'string' ? '' : valueText({ ...message })
  return payload === '' || payload === '{}' ? type : `${type} ${payload}`
}

/** A value on one line, shortened. */
export function valueText(value: unknown): string {
  const text = inspect(value, {
    breakLength: Infinity,
    compact: true,
    depth: 3,
    maxArrayLength: 10,
    maxStringLength: 60,
  })
  const line = text.replaceAll(/\s*\n\s*/g, ' ')
  return line.length > SHOWN ? `${line.slice(0, SHOWN - 3)}...` : line
}
