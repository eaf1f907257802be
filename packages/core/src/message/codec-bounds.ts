import { InvalidOption, shown } from '../errors.ts'
import { checkCount, checkNames } from '../options.ts'

/** The options of `new Codec()`. */
export interface CodecOptions {
  /**
   * How deep objects and lists may nest in the text, the message itself included. A value with a tag (a date, a map) takes
   * one to three. Default 100, at most 500.
   */
  readonly maxDepth?: number
  /** How long the text of a message may be, in bytes of UTF-8. Default 1 048 576 (1 MiB). */
  readonly maxBytes?: number
}

export type CodecBounds = Required<CodecOptions>

const DEFAULTS: CodecBounds = { maxDepth: 100, maxBytes: 1_048_576 }

/** Deeper than this, reading could exhaust the stack. */
const DEEPEST = 500

/** The options with every default in its place. @throws {InvalidOption} */
export function codecBounds(options: CodecOptions): CodecBounds {
  checkNames('new Codec()', options, Object.keys(DEFAULTS))
  const { maxDepth = DEFAULTS.maxDepth, maxBytes = DEFAULTS.maxBytes } = options
  checkCount('maxDepth', maxDepth)
  checkCount('maxBytes', maxBytes, { infinite: true })
  if (maxDepth <= DEEPEST) return { maxDepth, maxBytes }
  throw new InvalidOption(`maxDepth is ${shown(maxDepth)}. Pass at most ${DEEPEST}.`)
}
