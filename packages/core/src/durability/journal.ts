import type { Deadline, Deadlines } from '../engine/deadlines.ts'
import { asError } from '../errors.ts'
import type { Observer } from '../observe.ts'
import { AHEAD, type Progress, type Span } from '../ports/progress.ts'
import type { Claim, Exception, NewMessage, OpenStore, Settlement, StoredDeadLetter } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { storeBackoffMs } from '../time/store-backoff.ts'

/** How many rows are gathered for one settlement at most. */
const ROWS = 100

/** How many positions may be passed before that is written by itself: until then, the log cannot be cut there. */
const PASSED = 512

/** How many settlements are on their way to the store at a time: what comes meanwhile is gathered for the next one. */
const IN_FLIGHT = 4

/** What a journal works with. */
export interface JournalParts {
  readonly store: OpenStore
  readonly claim: Claim
  readonly observer: Observer
  readonly deadlines: Deadlines
  /** The claim is another's now, or the store is closed. */
  readonly whenLost: (error: Error) => void
}

/**
 * Writes what happens to the messages of one claim, in the order in which it happens. What comes within a turn, or while the
 * store is busy, is one settlement. A store that fails is tried again until it can: nothing is forgotten meanwhile.
 */
export class Journal {
  /** How far this claim has come, with all that has been said to the journal. */
  readonly progress: Progress
  readonly #parts: JournalParts
  #gathered: Gathered
  #isScheduled = false
  #passed = 0
  #inFlight = 0
  /** What the store could not take, in its order. Until it is written, nothing else is sent. */
  #failed: Gathered[] = []
  #failures = 0
  #retry: Deadline | undefined
  #isLost = false
  #whenIdle: (() => void)[] = []

  constructor(parts: JournalParts) {
    this.#parts = parts
    this.progress = parts.claim.progress.copy()
    this.#gathered = new Gathered(this.progress.cursor)
  }

  /** Whether the store could not take something, which is tried again later. */
  get isFailing(): boolean {
    return this.#failed.length > 0
  }

  /** What is up to there is read, and may be started once this is written. */
  reach(position: number): void {
    this.progress.reached(position)
    this.#makeRoom(position)
    this.#gather().reached = position
  }

  done(span: Span): void {
    this.progress.finish(span)
    this.#gather().done(span)
  }

  /** What is in this span concerns nobody here. It is written with whatever comes next, or when it is much. */
  pass([from, to]: Span): void {
    this.progress.reached(to)
    this.#makeRoom(to)
    this.progress.finish([from, to])
    this.#gathered.reached = to
    this.#gathered.done([from, to])
    this.#passed += to - from + 1
    if (this.#passed < PASSED) return
    this.#passed = 0
    this.#gather()
  }

  /** What has passed so far is written now. */
  writePassed(): void {
    if (!this.#gathered.isEmpty) this.#gather()
  }

  /** The cursor may pass it. */
  except(exception: Exception): void {
    const { position } = exception
    this.progress.finish([position, position])
    const gathered = this.#gather()
    gathered.cleared.delete(position)
    gathered.exceptions.set(position, exception)
    if (gathered.rows >= ROWS) this.#send()
  }

  clear(position: number): void {
    const gathered = this.#gather()
    // The store may not know yet that its cursor may pass it.
    if (gathered.exceptions.delete(position)) gathered.done([position, position])
    gathered.cleared.add(position)
  }

  bury(letter: StoredDeadLetter): void {
    this.#gather().dead.push(letter)
  }

  revive(letterId: string): void {
    this.#gather().revived.push(letterId)
  }

  /**
   * Calls `written` when these are written, and all that was said before, with what the store tells of each: whether it is new;
   * with nothing where all of them are. What belongs together is said in one turn, and this is the last of it.
   */
  cause(messages: readonly NewMessage[], written: (isNew: readonly boolean[] | undefined) => void): void {
    const gathered = this.#gather()
    const from = gathered.caused.length
    gathered.caused.push(...messages)
    gathered.written.push((isNew) => written(isNew?.slice(from, from + messages.length)))
    if (gathered.rows >= ROWS) this.#send()
  }

  /** Calls it when all that was said so far is written. What belongs together is said in one turn, and this is the last of it. */
  whenWritten(run: () => void): void {
    const gathered = this.#gather()
    gathered.written.push(run)
    if (gathered.rows >= ROWS) this.#send()
  }

  /** Resolves when all that was said so far is written, or nothing can be any more. */
  async settled(): Promise<void> {
    await Promise.race([new Promise<void>((resolve) => this.whenWritten(resolve)), this.idle()])
  }

  /**
   * Writes something with `work` in it, after all that was said so far. Gives whether each message that it causes is new.
   * @throws what `work` throws, and {@link StoreFailed}.
   */
  async commit(settlement: Settlement): Promise<readonly boolean[]> {
    this.#send()
    if (this.#failed.length > 0) {
      throw new StoreFailed('STORE_FAILED', 'The store fails, and is tried again: nothing can be committed meanwhile.')
    }
    const isNew = await this.#parts.store.settle(this.#parts.claim, settlement)
    for (const span of settlement.done ?? []) this.progress.finish(span)
    return isNew
  }

  /** Resolves when everything is written, or nothing can be any more. */
  async idle(): Promise<void> {
    this.#send()
    while (!this.#isIdle) await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
  }

  /** Writes no more, whatever is left. */
  giveUp(): void {
    this.#isLost = true
    this.#retry?.cancel()
    this.#wakeIdle()
  }

  get #isIdle(): boolean {
    return this.#isLost || (this.#gathered.isEmpty && this.#inFlight === 0 && this.#failed.length === 0)
  }

  #gather(): Gathered {
    if (!this.#isScheduled) {
      this.#isScheduled = true
      queueMicrotask(() => {
        this.#isScheduled = false
        if (this.#inFlight < IN_FLIGHT) this.#send()
      })
    }
    return this.#gathered
  }

  #send(): void {
    if (this.#gathered.isEmpty || this.#failed.length > 0 || this.#isLost) return
    void this.#write(this.#taken())
  }

  #taken(): Gathered {
    const gathered = this.#gathered
    this.#gathered = new Gathered(this.progress.cursor)
    return gathered
  }

  /** A settlement says first what it reaches: that must not be too far from where the cursor is before it. */
  #makeRoom(position: number): void {
    if (position - this.#gathered.cursor <= AHEAD || this.#isLost) return
    const gathered = this.#taken()
    if (this.#failed.length > 0) this.#failed.push(gathered)
    else void this.#write(gathered)
  }

  async #write(gathered: Gathered): Promise<void> {
    const { store, claim } = this.#parts
    let isNew: readonly boolean[]
    this.#inFlight += 1
    try {
      isNew = await store.settle(claim, gathered.settlement)
    } catch (thrown) {
      this.#inFlight -= 1
      return this.#fail(gathered, asError(thrown))
    }
    this.#inFlight -= 1
    this.#failures = 0
    gathered.tell(isNew)
    if (this.#inFlight < IN_FLIGHT) this.#send()
    this.#wakeIdle()
  }

  #fail(gathered: Gathered, error: Error): void {
    const { observer, deadlines, store, claim, whenLost } = this.#parts
    if (this.#isLost) return this.#wakeIdle()
    const { code } = error as { code?: unknown }
    if (code === 'CLAIM_LOST' || code === 'STORE_CLOSED') {
      this.#isLost = true
      whenLost(error)
      return this.#wakeIdle()
    }
    gathered.hasFailed = true
    const isFirst = this.#failed.push(gathered) === 1
    if (!isFirst) return
    this.#failures += 1
    const delayMs = storeBackoffMs(this.#failures)
    observer.say('storeFailed', { store: store.name, handler: claim.subscription, error, delayMs })
    this.#retry = deadlines.after(delayMs, () => void this.#again())
  }

  /** What failed is sent once more, in its order; what fails again waits again, with all that comes after it. */
  async #again(): Promise<void> {
    if (this.#isLost) return
    const failed = this.#failed
    this.#failed = []
    await Promise.all(failed.map((gathered) => this.#write(gathered)))
    this.#send()
    this.#wakeIdle()
  }

  #wakeIdle(): void {
    if (this.#isIdle) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}

/** What one settlement is made of. */
class Gathered {
  /** Where the cursor is when it is applied. */
  readonly cursor: number
  reached: number | undefined = undefined
  readonly spans: [number, number][] = []
  readonly exceptions = new Map<number, Exception>()
  readonly cleared = new Set<number>()
  readonly dead: StoredDeadLetter[] = []
  readonly revived: string[] = []
  readonly caused: NewMessage[] = []
  readonly written: ((isNew: readonly boolean[] | undefined) => void)[] = []
  hasFailed = false

  constructor(cursor: number) {
    this.cursor = cursor
  }

  /** Neighbours become one span. */
  done([from, to]: Span): void {
    const last = this.spans.at(-1)
    if (last !== undefined && last[1] === from - 1) last[1] = to
    else this.spans.push([from, to])
  }

  /**
   * It is written. A store that had failed may have stored it even so (its answer was lost): what is not new then may be of
   * this very settlement, and is taken for new. Rather does something run twice than not at all.
   */
  tell(isNew: readonly boolean[]): void {
    const repeats = !this.hasFailed && isNew.includes(false)
    for (const run of this.written) run(repeats ? isNew : undefined)
  }

  get rows(): number {
    return this.exceptions.size + this.dead.length + this.caused.length
  }

  get isEmpty(): boolean {
    const { reached, spans, cleared, revived, written } = this
    const isPlain = reached === undefined && spans.length === 0 && cleared.size === 0
    return isPlain && this.rows === 0 && revived.length === 0 && written.length === 0
  }

  get settlement(): Settlement {
    const { reached, spans, exceptions, cleared, dead, revived, caused } = this
    return { reached, done: spans, exceptions: [...exceptions.values()], cleared: [...cleared], dead, revived, caused }
  }
}
