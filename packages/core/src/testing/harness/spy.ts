import type { MessageHeaders } from '../../message/augmentable.ts'
import type { Context } from '../../routing/context.ts'

/** One attempt of a handler, with what was known of it when it began. */
export interface SpyCall<M = object | string> {
  readonly message: M
  readonly type: string
  readonly id: string
  readonly key: string | undefined
  readonly attempt: number
  readonly replayed: boolean
  readonly headers: MessageHeaders
  readonly correlationId: string
  readonly causationId: string | undefined
  /** Whether it still runs, gave a value, or failed. */
  readonly status: 'running' | 'returned' | 'threw'
  /** What it gave. */
  readonly value: unknown
  /** What it threw. */
  readonly error: unknown
}

/** Watches a handler: its own, or one that was put in its place. */
export class Spy<M extends object | string = object | string> {
  /** The handler, as `events/update-search`. */
  readonly handler: string
  readonly #calls: SpyCall<M>[] = []

  constructor(handler: string) {
    this.handler = handler
  }

  /** Each attempt, in the order in which they began. */
  get calls(): readonly SpyCall<M>[] {
    return this.#calls
  }

  /** The messages of all attempts. */
  get messages(): readonly M[] {
    return this.#calls.map(({ message }) => message)
  }

  /** Runs an attempt, and keeps what comes of it. */
  async run(message: M, context: Context, attempt: () => unknown): Promise<unknown> {
    const { type, id, key, attempt: number, replayed, headers, correlationId, causationId } = context
    const facts = { type, id, key, attempt: number, replayed, headers, correlationId, causationId }
    const call = { message, ...facts, status: 'running' as SpyCall['status'], value: undefined as unknown }
    const kept: typeof call & { error: unknown } = { ...call, error: undefined }
    this.#calls.push(kept)
    try {
      kept.value = await attempt()
      kept.status = 'returned'
      return kept.value
    } catch (thrown) {
      kept.error = thrown
      kept.status = 'threw'
      throw thrown
    }
  }
}
