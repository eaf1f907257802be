import { Connection, type ConnectionParts } from './connection.ts'
import { numberOf } from './messages.ts'
import type { Completion } from '../ports/store-settings.ts'
import type { StatementName, Statements } from './statements.ts'

interface HousekeeperParts {
  readonly statements: Statements
  /** Where its own connection comes from: whoever waits on another one must not keep it waiting. */
  readonly connecting: ConnectionParts
  readonly completion: Completion
  readonly leaseMs: number
  /** Called with what failed: it is tried again with the next heartbeat. */
  readonly failed: (error: unknown) => void
}

/** How many finished messages of a partition are removed at a time, and how many ids are forgotten. */
const AT_A_TIME = 1_000
/** How often it is looked for what only time makes removable, in leases; and for how many a dead node is remembered. */
const LEASES = { tidy: 4, members: 100 }

/** How long more is waited for that may be removed: each time costs as much as a hundred messages. */
const PAUSE_MS = 50

/** Removes what is finished, and what is forgotten: on one node at a time, in small batches. */
export class Housekeeper {
  readonly #parts: HousekeeperParts
  readonly #connection: Connection
  #isWanted = false
  #isTidyWanted = false
  #tidiedAt = Number.NEGATIVE_INFINITY
  #finished: unknown
  /** Ends the pause that there is. */
  #hurry: () => void = () => {}
  #running: Promise<void> | undefined
  #isClosed = false
  /** Whether this node is the one that does it. */
  isOnDuty = false

  constructor(parts: HousekeeperParts) {
    this.#parts = parts
    this.#connection = new Connection(parts.connecting)
  }

  /** A heartbeat, at this time of the server. */
  beat(now: number): void {
    if (!this.isOnDuty || now < this.#tidiedAt + LEASES.tidy * this.#parts.leaseMs) return
    this.#tidiedAt = now
    this.#isTidyWanted = true
    this.wake()
  }

  /** What changes when a node, this or another one, has finished more. */
  told(finished: unknown): void {
    if (finished === this.#finished) return
    this.#finished = finished
    this.wake()
  }

  /** There may be something to remove. */
  wake(): void {
    this.#isWanted = true
    if (!this.isOnDuty || this.#isClosed || this.#running !== undefined) return
    this.#running = this.#run().finally(() => (this.#running = undefined))
  }

  /** Resolves when nothing is left to remove. */
  async idle(): Promise<void> {
    this.#hurry()
    await this.#running
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.idle()
    await this.#connection.close()
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWanted && this.isOnDuty && !this.#isClosed) {
        await this.#pause()
        this.#isWanted = false
        while ((await this.#prune()) && !this.#isClosed);
        if (this.#isTidyWanted) await this.#tidy()
      }
    } catch (error) {
      // All of it again with the next heartbeat.
      this.#tidiedAt = Number.NEGATIVE_INFINITY
      this.#parts.failed(error)
    }
  }

  async #pause(): Promise<void> {
    if (this.#isClosed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, PAUSE_MS)
    this.#hurry = resolve
    await promise
    clearTimeout(timer)
  }

  /** What is not as urgent. */
  async #tidy(): Promise<void> {
    this.#isTidyWanted = false
    while ((await this.#countOf('forgetSeen', [AT_A_TIME])) === AT_A_TIME && !this.#isClosed);
    await this.#ask('seeSubscriptions', [])
    await this.#ask('forgetMembers', [LEASES.members * this.#parts.leaseMs])
  }

  /** Tells whether there is more. */
  async #prune(): Promise<boolean> {
    const { completion } = this.#parts
    const keepMs = typeof completion === 'string' ? [] : [completion.keepMs]
    const name = completion === 'archive' ? 'archive' : completion === 'delete' ? 'prune' : 'pruneOld'
    const [row] = await this.#ask(name, [AT_A_TIME, ...keepMs])
    const cleared = await this.#countOf(completion === 'archive' ? 'archiveCleared' : 'pruneCleared', [AT_A_TIME])
    return row?.['is_behind'] === true || cleared >= AT_A_TIME
  }

  async #countOf(name: StatementName, params: unknown[]): Promise<number> {
    return numberOf((await this.#ask(name, params))[0]?.['count'])
  }

  async #ask(name: StatementName, params: unknown[]): Promise<readonly Record<string, unknown>[]> {
    return (await this.#connection.query(this.#parts.statements.text(name), params)).rows
  }
}
