/** Any object with these of pino's methods. Fields first, then the text. */
export interface Logger {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

export type LogLevel = keyof Logger

/** The default: warnings and errors to stderr, a line each, with the message's id and key, and the error's stack. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields, text) => print(fields, text),
  error: (fields, text) => print(fields, text),
}

function print(fields: Printed, text: string): void {
  const { id, key, letterId, err } = fields
  const named = [id && `id ${id}`, key !== undefined && `key '${key}'`, letterId && `letter ${letterId}`]
  const which = id === undefined ? '' : ` (${named.filter(Boolean).join(', ')})`
  if (err === undefined) console.error(`[iambus] ${text}${which}`)
  else console.error(`[iambus] ${text}${which}`, err)
}

interface Printed {
  readonly id?: string
  readonly key?: string
  /** The id of a dead letter. */
  readonly letterId?: string
  readonly err?: Error
}
