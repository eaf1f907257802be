import type { MessageHeaders } from '../message/augmentable.ts'
import type { Fits, ResultOf } from '../message/kind.ts'
import type { StringMessage } from '../message/message-type.ts'
import type { RecordedOptions, RequestOptions } from '../options.ts'
import type { WorkTransaction } from '../ports/store.ts'

/**
 * What a handler knows of its delivery besides the message, and how it causes others.
 *
 * `publish` and `send` are recorded: they leave together, in order, once the attempt has succeeded; a failed attempt
 * causes nothing. They inherit the correlation id, the headers and the key, unless given (`key: null` sheds it).
 */
export interface Context {
  /** The name of the message's type. */
  readonly type: string
  /** The handler, as `events/update-search`. */
  readonly handler: string
  readonly id: string
  readonly key: string | undefined
  /** Which attempt this is, from 1 on. One that burned none is not counted: the next has the same number. */
  readonly attempt: number
  /** Whether it is a dead letter that is replayed: its handler may have done a part of it before. */
  readonly replayed: boolean
  readonly headers: MessageHeaders
  /** The same for all messages of one chain. */
  readonly correlationId: string
  /** The id of the message whose handler caused this one. */
  readonly causationId: string | undefined
  /** When the message was accepted. */
  readonly time: Date
  /** Aborted when the caller of a request gives up, or `stop()` reaches its deadline. */
  readonly signal: AbortSignal
  /** Whether the dispatcher is stopping: a long handler may want to end early. */
  readonly stopping: boolean

  /**
   * Records an event, to be published when this attempt has succeeded.
   * @throws {InvalidMessage | InvalidOption | WrongKind} at once.
   */
  publish(event: Fits<'event'> | StringMessage, options?: RecordedOptions): void

  /**
   * Records a command, to be sent when this attempt has succeeded.
   * @throws {InvalidMessage | InvalidOption | WrongKind | HandlerDoesNotExist} at once.
   */
  send(command: Fits<'command'> | string, options?: RecordedOptions): void

  /**
   * Asks a command or query at once and waits for its answer. Inherits all but the key.
   * @throws what its handler throws.
   */
  request<M extends Fits<'command' | 'query'> | string>(message: M, options?: RequestOptions): Promise<ResultOf<M>>

  /**
   * Stores in one transaction what `work` writes, what this delivery has caused, and that it is done: all of it, or nothing.
   * Once per delivery, as the last that its handler does: whatever it throws later is only a notice.
   *
   * ```ts
   * await context.commit((tx) => tx.prepare('UPDATE stock SET left = left - 1 WHERE book = ?').run(event.book))
   * ```
   *
   * @param work is given the store's transaction; what it returns is the response of the handler.
   * @throws {ImproperlyConfigured} without a store. @throws {AlreadyCommitted} the second time.
   * @throws what `work` throws, and {@link StoreFailed}: then nothing is stored.
   */
  commit<T>(work: (tx: WorkTransaction) => T): Promise<Awaited<T>>
}
