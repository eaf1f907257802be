import { CodecError, shown } from '../errors.ts'

/**
 * Refuses what not every store can keep as it is, in the texts by which messages are found: a NUL character, and half of a pair
 * of UTF-16, which is no character. In a body they are escaped.
 *
 * @throws {CodecError} with `UNSTORABLE`.
 */
export function checkStorable(texts: {
  readonly id: string
  readonly type: string
  readonly key: string | undefined
}): void {
  const { id, type, key } = texts
  checkText('id', id)
  checkText('type', type)
  if (key !== undefined) checkText('key', key)
}

function checkText(name: string, text: string): void {
  if (!text.includes('\0') && text.isWellFormed()) return
  const what = text.includes('\0') ? 'a NUL character' : 'half of a surrogate pair'
  throw new CodecError(
    'UNSTORABLE',
    `Its ${name} ${shown(text)} has ${what} in it, which no store keeps. Leave it out.`,
  )
}

/** The same text without what cannot be kept: for what is only to be read. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed()
}
