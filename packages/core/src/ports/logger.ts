/** Any object with these of pino's methods. Fields first, then the text. */
export interface Logger {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

export type LogLevel = keyof Logger

/** The default: warnings and errors to stderr, a line each, with the error and its stack where there is one. */
export const consoleLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields, text) => print(fields, text),
  error: (fields, text) => print(fields, text),
}

function print(fields: object, text: string): void {
  if ('err' in fields) console.error(`[iambus] ${text}`, fields.err)
  else console.error(`[iambus] ${text}`)
}
