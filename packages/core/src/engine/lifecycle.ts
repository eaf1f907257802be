import { NotAccepting, StopDeadlock } from '../errors.ts'

/** Undoes a start. */
export type Close = (deadlineMs: number) => Promise<void>

/**
 * Start and stop, called at any time and any number of times: never two at once, each waits for the one before. A start
 * that failed, or that found nothing to do, can be tried again.
 */
export class Lifecycle {
  readonly #open: () => Promise<Close | undefined>
  /** From the call of `start` to that of `stop`. */
  #started: Promise<Close | undefined> | undefined
  #stopping: Promise<void> | undefined
  /** What came of the last start, or stop. */
  #state: 'new' | 'empty' | 'started' | 'stopped' = 'new'

  /** @param open begins within the call, and resolves to what undoes it, if there is anything to undo. */
  constructor(open: () => Promise<Close | undefined>) {
    this.#open = open
  }

  /** Whether nobody has asked for a stop since the last start. */
  get isWanted(): boolean {
    return this.#started !== undefined
  }

  /** What a caller is told whose message is not taken. */
  refusal(): NotAccepting {
    if (this.#started !== undefined) {
      return new NotAccepting('The dispatcher is starting: `await dp.start()` before sending messages.')
    }
    if (this.#stopping !== undefined) {
      return new NotAccepting('The dispatcher is stopping: it takes no more messages. Stop what sends them first.')
    }
    if (this.#state === 'stopped') {
      return new NotAccepting('The dispatcher is stopped: call `await dp.start()` again before sending messages.')
    }
    if (this.#state === 'empty') {
      return new NotAccepting(
        'start() found no handler, and the dispatcher stayed unstarted. Bind one, and start again.',
      )
    }
    return new NotAccepting('The dispatcher is not started: call `await dp.start()` before sending messages.')
  }

  async start(): Promise<void> {
    this.#started ??= this.#stopping === undefined ? this.#open() : this.#stopping.then(this.#open)
    const started = this.#started
    let close: Close | undefined
    try {
      close = await started
      this.#state = close === undefined ? 'empty' : 'started'
    } finally {
      if (close === undefined && this.#started === started) this.#started = undefined
    }
  }

  stop(deadlineMs: number): Promise<void> {
    if (this.#started === undefined) return this.#stopping ?? Promise.resolve()
    const started = this.#started
    this.#started = undefined
    const stopping = this.#close(started, deadlineMs).finally(() => {
      if (this.#state === 'started') this.#state = 'stopped'
      if (this.#stopping === stopping) this.#stopping = undefined // Else another stop has begun, after another start.
    })
    this.#stopping = stopping
    return this.#stopping
  }

  async #close(started: Promise<Close | undefined>, deadlineMs: number): Promise<void> {
    const close = await started.catch(() => undefined) // A start that failed has told its own caller.
    await close?.(deadlineMs)
  }
}

/** What a handler gets that stops the dispatcher: if it awaited the stop, it would wait for itself. The stop goes on. */
export function stopDeadlock(handler: string): Promise<void> {
  const refusal = Promise.reject<void>(new StopDeadlock(handler))
  refusal.catch(() => {})
  return refusal
}
