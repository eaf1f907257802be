import type { Logger } from '../../ports/logger.ts'

/** Something that was logged. */
export interface LogEntry {
  readonly level: 'warn' | 'error'
  readonly text: string
  readonly fields: object
}

/** A logger that is silent, and keeps what it was warned of, and what is an error. */
export class KeptLog implements Logger {
  readonly entries: LogEntry[] = []
  readonly #also: Logger | undefined

  /** @param also is told everything too. */
  constructor(also?: Logger) {
    this.#also = also
  }

  debug(fields: object, text: string): void {
    this.#also?.debug(fields, text)
  }

  info(fields: object, text: string): void {
    this.#also?.info(fields, text)
  }

  warn(fields: object, text: string): void {
    this.entries.push({ level: 'warn', text, fields })
    this.#also?.warn(fields, text)
  }

  error(fields: object, text: string): void {
    this.entries.push({ level: 'error', text, fields })
    this.#also?.error(fields, text)
  }
}
