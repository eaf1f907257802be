import type { CheckedOut } from './checked-out.ts'
import { numberOf, optional } from './messages.ts'
import type { Unplaced } from './outbox/unplaced.ts'
import type { Reads } from './reads.ts'

/**
 * What a node tells the others: that there are new messages, or claims that were given back, nodes that came or went;
 * that dead letters are replayed, or were removed.
 */
type News = 'messages' | 'claims' | 'letters'

interface WatchParts {
  readonly reads: Reads
  readonly unplaced: Unplaced
  readonly node: string
  readonly channel: string
  readonly pollMs: number
  /** Called when there may be something new. */
  readonly wake: () => void
  /** Called when other nodes have given claims back, have come or gone. */
  readonly claimsChanged: () => void
  /** Called when other nodes replay dead letters, or have removed some. */
  readonly lettersChanged: () => void
  /** Called with what each look has told: the time of the server, and something that changes when more is finished. */
  readonly looked: (told: { readonly now: number; readonly finished: unknown }) => void
  /** Called when a look has failed, with when the next one is. */
  readonly failed: (error: unknown, delayMs: number) => void
}

/** How long it is waited after a failed look at most, where looks are not further apart by themselves. */
const BACKOFF_MS = 5_000

/** A node that is woken so often within a second looks by itself from then on, so often; until it has found nothing for a while. */
const BUSY = { wakes: 50, everyMs: 10, idleLooks: 20 }

/** Has this node know what other nodes, and transactions of the caller's, do: it is notified, and looks once in a while. */
export class Watch {
  readonly #parts: WatchParts
  readonly #notified: Readonly<Record<News, Notifier>>
  #timer: NodeJS.Timeout | undefined
  #seen = ''
  #seenNodes = ''
  #seenLetters: number | undefined
  #types: ReadonlySet<string>
  #isOpen = true
  /** How often a look has failed in a row. */
  #failures = 0
  #others = ''
  #wakes = 0
  #isBusy = false

  constructor(parts: WatchParts, types: ReadonlySet<string>) {
    const { reads, channel, node } = parts
    this.#parts = parts
    this.#types = types
    this.#notified = {
      messages: new Notifier(() => reads.run('notifyAsleep', [channel, `messages ${node}`, node])),
      claims: new Notifier(() => reads.run('notify', [channel, `claims ${node}`])),
      letters: new Notifier(() => reads.run('notify', [channel, `letters ${node}`])),
    }
    this.#lookLater()
  }

  /** The types that any subscription takes, as far as is known. */
  get types(): ReadonlySet<string> {
    return this.#types
  }

  close(): void {
    this.#isOpen = false
    clearTimeout(this.#timer)
  }

  /** Tells the other nodes: beside the transaction, for a NOTIFY in it would hold up all others. */
  tell(news: News): void {
    if (news !== 'messages' || this.#others !== '') this.#notified[news].call()
  }

  /** Has a connection listen. */
  async listenOn(connection: CheckedOut): Promise<void> {
    const { channel, node, unplaced, wake, claimsChanged, lettersChanged } = this.#parts
    const place = (): void => void unplaced.place().catch(() => {}) // What is not placed is looked for again.
    connection.whenNotified((given) => {
      const [news, by] = (given.payload ?? '').split(' ')
      if (given.channel !== channel || by === node) return
      if (news === 'claims') claimsChanged()
      else if (news === 'letters') lettersChanged()
      else if (news === 'unplaced') place()
      else this.#woken()
    })
    await connection.query(`LISTEN "${channel}"`)
    // What was notified while nobody listened.
    place()
    wake()
    claimsChanged()
    lettersChanged()
  }

  #woken(): void {
    this.#parts.wake()
    this.#wakes += 1
    if (this.#wakes === BUSY.wakes && !this.#isBusy) void this.#lookBySelf()
  }

  /** As long as there is much to do, nobody needs to be told to wake this node. */
  async #lookBySelf(): Promise<void> {
    const { reads, node, wake } = this.#parts
    this.#isBusy = true
    try {
      await reads.run('sleep', [node, false])
      for (let idle = 0; idle < BUSY.idleLooks && this.#isOpen; idle += 1) {
        const before = reads.found
        wake()
        await new Promise((resolve) => setTimeout(resolve, BUSY.everyMs).unref())
        if (reads.found > before) idle = 0
      }
      if (this.#isOpen) await reads.run('sleep', [node, true])
      wake()
    } catch {
      // It looks once in a while all the same, and says then that it wants to be woken.
    } finally {
      this.#isBusy = false
    }
  }

  #lookLater(): void {
    if (this.#isOpen) this.#timer = setTimeout(() => void this.#look(), this.#delayMs).unref()
  }

  get #delayMs(): number {
    const { pollMs } = this.#parts
    return Math.max(pollMs, Math.min(BACKOFF_MS, pollMs * 2 ** this.#failures))
  }

  async #look(): Promise<void> {
    const { reads, unplaced, node, wake, claimsChanged, lettersChanged, looked } = this.#parts
    this.#wakes = 0
    try {
      const [row = {}] = await reads.run('poll', [node])
      looked({ now: numberOf(row['now']), finished: row['finished'] })
      this.#others = (row['others'] as string | null) ?? ''
      this.#types = new Set(row['types'] as readonly string[] | null)
      if (row['is_unplaced'] === true) await unplaced.place()
      const seen = [row['appended'], optional(row['next_due'])].join(' ')
      if (seen !== this.#seen) wake()
      this.#seen = seen
      const seenNodes = [row['free'], this.#others].join(' ')
      if (seenNodes !== this.#seenNodes) claimsChanged()
      this.#seenNodes = seenNodes
      const letters = numberOf(row['letter_changes'])
      if (letters !== this.#seenLetters) lettersChanged()
      this.#seenLetters = letters
      this.#failures = 0
    } catch (error) {
      this.#failures += 1
      this.#parts.failed(error, this.#delayMs)
    } finally {
      this.#lookLater()
    }
  }
}

/** Notifies, and once more where it is called meanwhile. */
class Notifier {
  readonly #notify: () => Promise<unknown>
  #isWanted = false
  #isUnderWay = false

  constructor(notify: () => Promise<unknown>) {
    this.#notify = notify
  }

  call(): void {
    this.#isWanted = true
    if (!this.#isUnderWay) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isUnderWay = true
    try {
      while (this.#isWanted) {
        this.#isWanted = false
        await this.#notify()
      }
    } catch {
      // They look by themselves.
    } finally {
      this.#isUnderWay = false
    }
  }
}
