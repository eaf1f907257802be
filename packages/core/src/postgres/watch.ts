import type { CheckedOut } from './checked-out.ts'
import { numberOf, optional } from './messages.ts'
import type { Reads } from './reads.ts'

interface WatchParts {
  readonly reads: Reads
  readonly node: string
  readonly channel: string
  readonly pollMs: number
  /** Called when there may be something new. */
  readonly wake: () => void
  /** Called with what each look has told: the time of the server. */
  readonly looked: (told: { readonly now: number }) => void
}

/** Looks for what this node was not woken for: once in a while, all of it by one statement. */
export class Watch {
  readonly #parts: WatchParts
  #timer: NodeJS.Timeout | undefined
  #seen = ''
  #types: ReadonlySet<string>
  #isOpen = true
  #hasOthers = false
  #isWaking = false
  #isWanted = false

  constructor(parts: WatchParts, types: ReadonlySet<string>) {
    this.#parts = parts
    this.#types = types
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

  #lookLater(): void {
    if (this.#isOpen) this.#timer = setTimeout(() => void this.#look(), this.#parts.pollMs).unref()
  }

  async #look(): Promise<void> {
    const { reads, wake, looked } = this.#parts
    try {
      const [row = {}] = await reads.run('poll', [this.#parts.node])
      looked({ now: numberOf(row['now']) })
      this.#hasOthers = row['has_others'] === true
      if (row['is_unplaced'] === true) await reads.run('placeCommitted')
      await this.refreshTypes()
      const seen = [row['appended'], optional(row['next_due']), row['free']].join(' ')
      if (seen !== this.#seen || row['is_unplaced'] === true) wake()
      this.#seen = seen
    } catch {
      // The connection is lost, or the server is: what is read and written says so.
    } finally {
      this.#lookLater()
    }
  }

  /** Wakes the other nodes, if there are any: there is something new. Beside the transaction: a NOTIFY in it would hold up all others. */
  wakeOthers(): void {
    this.#isWanted = true
    if (this.#hasOthers && !this.#isWaking) void this.#wakeOthers()
  }

  async #wakeOthers(): Promise<void> {
    this.#isWaking = true
    try {
      while (this.#isWanted && this.#isOpen) {
        this.#isWanted = false
        await this.#parts.reads.run('notify', [this.#parts.channel])
      }
    } catch {
      // They look by themselves.
    } finally {
      this.#isWaking = false
    }
  }

  async refreshTypes(): Promise<void> {
    const rows = await this.#parts.reads.run('takenTypes')
    this.#types = new Set(rows.map(({ type }) => type as string))
  }
}

/** Has a connection listen: `wake` is called with each notification on the channel. */
export async function listenOn(connection: CheckedOut, channel: string, wake: () => void): Promise<void> {
  connection.listen((heard) => {
    if (heard === channel) wake()
  })
  await connection.query(`LISTEN "${channel}"`)
  // What was notified while nobody listened.
  wake()
}
