import type { PostgresTransaction } from './client.ts'
import type { Generation } from './generations.ts'
import type { Statements } from './statements.ts'
import { partitionOf } from '../ports/stable-hash.ts'
import type { LoggedMessage, NewMessage, Page, StoredMessage } from '../ports/store.ts'

/** How long the setting `lock_timeout` lets a statement wait. */
export type Patience = '250ms' | '0'

/** Where messages were appended. */
export interface PlacedPage extends Page {
  /** How often the types that subscriptions take had changed by then. */
  readonly typeChanges: number
}

/** What has become of messages. */
export interface Appended {
  /** For each whether it is new. */
  readonly areNew: readonly boolean[]
  /** Where they are; `undefined` where that is not known. */
  readonly pages: readonly PlacedPage[] | undefined
}

/** Messages on their way to the server: which of them are sent, and what has become of each. */
export class Batch {
  readonly #generation: Generation
  readonly #rows: unknown[] = []
  readonly #ids = new Set<string>()
  /** Which row each message is; `undefined` for one that repeats another one of the batch. */
  readonly #places: (number | undefined)[] = []
  readonly #ofPartition = new Map<
    number,
    { readonly messages: StoredMessage[]; readonly copies: NewMessage['copy'][] }
  >()
  #isPlain = true

  /** @param generation the newest one. */
  constructor(generation: Generation) {
    this.#generation = generation
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0
  }

  /** Whether none has an id that may have come before, and none is delayed. */
  get isPlain(): boolean {
    return this.#isPlain
  }

  add(messages: readonly NewMessage[]): void {
    for (const message of messages) this.#places.push(this.#place(message))
  }

  #place(message: NewMessage): number | undefined {
    const { id, type, key, time, envelope, body, crc, mayRepeat, dueAt, copy } = message
    if (mayRepeat && this.#ids.size === this.#ids.add(id).size) return undefined
    const n = this.#rows.length
    const { first, partitions } = this.#generation
    const partition = first + partitionOf(key ?? id, partitions)
    const repeats = mayRepeat ? true : undefined
    const stored = { id, type, key, time, envelope, body, crc }
    const nth = this.#nth(partition, stored, copy)
    if (mayRepeat || dueAt !== undefined) this.#isPlain = false
    this.#rows.push({ n, nth, partition, ...stored, repeats, due_at: dueAt })
    return n
  }

  #nth(partition: number, message: StoredMessage, copy: NewMessage['copy']): number {
    let of = this.#ofPartition.get(partition)
    if (of === undefined) this.#ofPartition.set(partition, (of = { messages: [], copies: [] }))
    of.copies.push(copy)
    return of.messages.push(message)
  }

  /** As the statement `publish` takes them. */
  get json(): string {
    return JSON.stringify(this.#rows)
  }

  /** As the statements take them that store plain ones. */
  get plain(): readonly unknown[] {
    const counts = [...this.#ofPartition.values()].map(({ messages }) => messages.length)
    return [this.json, [...this.#ofPartition.keys()], counts]
  }

  /** Stores them, by the statement that does least. */
  async append(
    tx: PostgresTransaction,
    by: { readonly statements: Statements; readonly dedupeMs: number; readonly patience: Patience },
  ): Promise<Appended> {
    const { statements, dedupeMs, patience } = by
    if (this.isEmpty) return { areNew: this.areNew([]), pages: [] }
    if (this.#isPlain) return this.appended((await tx.query(statements.text('appendPlain'), [...this.plain])).rows)
    const { rows } = await tx.query(statements.text('append'), [this.json, dedupeMs, patience])
    return { areNew: this.areNew(rows), pages: undefined }
  }

  /** Where plain ones are, by the rows that the statement gave. */
  appended(rows: readonly Record<string, unknown>[] | undefined): Appended {
    const areNew = this.#places.map((place) => place !== undefined)
    return { areNew, pages: rows?.map((row) => this.#page(row)) }
  }

  #page(row: Record<string, unknown>): PlacedPage {
    const partition = row['partition'] as number
    const after = numberOf(row['before'])
    const { messages: stored = [], copies = [] } = this.#ofPartition.get(partition) ?? {}
    const messages = stored.map((one, n) => ({ ...one, position: after + n + 1 }))
    return { partition, after, messages, copies, typeChanges: numberOf(row['type_changes']) }
  }

  /** For each message whether it is new, by the rows that the statement gave. */
  areNew(rows: readonly Record<string, unknown>[]): readonly boolean[] {
    const taken = new Set(rows.map(({ n }) => n))
    return this.#places.map((place) => place !== undefined && taken.has(place))
  }
}

/** A number of the server, which drivers give as a text where it may be a big one. */
export const numberOf = (value: unknown): number => Number(value)

export const optional = (value: unknown): number | undefined =>
  value === null || value === undefined ? undefined : Number(value)

/** The message in a row that has its columns. */
export function messageOf(row: Record<string, unknown>): StoredMessage {
  const { id, type, key, envelope, body } = row as Record<string, string> & { readonly key: string | null }
  return {
    id: id as string,
    type: type as string,
    key: key ?? undefined,
    time: numberOf(row['time']),
    envelope: envelope as string,
    body: body as string,
    crc: numberOf(row['crc']),
  }
}

export function loggedOf(row: Record<string, unknown>): LoggedMessage {
  return { ...messageOf(row), position: numberOf(row['position']) }
}
