import { InvalidOption, shown } from '../errors.ts'
import type { MessageHeaders } from '../message/augmentable.ts'
import { checkNames, checkObject } from '../options.ts'
import type { DeadLetterFilter } from '../ports/dead-letters.ts'

/** Which page of the dead letters is asked for. */
export interface DeadLetterQuery extends DeadLetterFilter {
  /** How many at most. Default 100. */
  readonly limit?: number
  /** The `next` of the page before. Default: from the start. */
  readonly after?: string | undefined
}

/** What is changed before a dead letter is replayed. */
export interface Edit<M extends object | string = object | string> {
  readonly message: M
  /** Default: as they are. */
  readonly headers?: MessageHeaders
}

/** What a filter may name; and what it names by. */
const filters: Readonly<Record<keyof DeadLetterFilter, 'string' | 'Date'>> = {
  handler: 'string',
  type: 'string',
  key: 'string',
  messageId: 'string',
  correlationId: 'string',
  error: 'string',
  since: 'Date',
  before: 'Date',
}

/** @throws {InvalidOption} for what is no filter. What is there and undefined is refused: it would match everything. */
export function checkFilter(where: string, filter: unknown): asserts filter is DeadLetterFilter {
  checkObject(where, filter)
  if ('envelope' in filter && 'id' in filter) {
    throw new InvalidOption(`${where} was given a dead letter. Pass its id: letter.id.`)
  }
  checkNames(where, filter, Object.keys(filters))
  for (const [name, value] of Object.entries(filter as DeadLetterFilter)) {
    const expected = filters[name as keyof DeadLetterFilter]
    const isRight = expected === 'Date' ? value instanceof Date : typeof value === 'string'
    if (isRight && name === 'handler' && !(value as string).includes('/')) {
      const text = `The filter 'handler' is ${shown(value)}. Pass the whole name, as 'events/${value as string}'.`
      throw new InvalidOption(text)
    }
    if (isRight) continue
    throw new InvalidOption(`The filter '${name}' is ${shown(value)}. Pass a ${expected}, or leave it out for all.`)
  }
}

/** @throws {InvalidOption} for what is neither an id nor a filter. */
export function checkWhich(where: string, which: unknown): asserts which is string | DeadLetterFilter {
  if (typeof which === 'string') return
  if (typeof which !== 'object' || which === null) {
    throw new InvalidOption(`${where} was given ${shown(which)}. Pass the id of a dead letter, or a filter.`)
  }
  checkFilter(where, which)
}

/** @throws {InvalidOption} for what an edit may not give. */
export function checkEdit(edit: unknown): asserts edit is Edit {
  if (typeof edit === 'object' && edit !== null && 'message' in edit) {
    checkNames('The edit of a dead letter', edit, ['message', 'headers'])
    return
  }
  throw new InvalidOption(`The edit of a dead letter gave ${shown(edit)}. Give an object: { message }.`)
}
