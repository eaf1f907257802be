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

function print(fields: { readonly id?: string; readonly key?: string; readonly err?: Error }, text: string): void {
  const { id, key, err } = fields
  const which = id === undefined ? '' : ` (id ${id}${key === undefined ? '' : `, key '${key}'`})`
  if (err === undefined) console.error(`[iambus] ${text}${which}`)
  else console.error(`[iambus] ${text}${which}`, err)
}
