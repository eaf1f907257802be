import type { DeadLetterLog } from '../ports/store.ts'
import type { ScheduleStore } from '../ports/schedule-store.ts'
import type { Claim, Exception, Finding, LoggedMessage, NewMessage, OpenStore } from '../ports/store.ts'
import type { Settlement, StoreOpening } from '../ports/store.ts'
import type { StoreStats } from '../ports/store-stats.ts'
import type { Lack, Renewal } from '../ports/share.ts'
import { StoreTime } from '../ports/store-time.ts'
import { ForeignTransaction, StoreFailed } from '../store-errors.ts'
import type { Access } from './access.ts'
import { claimFree, heldRow, leave, release, renew, settleClaim } from './claims.ts'
import type { Contents, Holder, Member } from './contents.ts'
import { bury, deadLetterLogOf } from './dead-letter-log.ts'
import { appendAll, appendDue, cancel, isRemembered, logged, prune } from './log.ts'
import { enter } from './members.ts'
import { scheduleStoreOf } from './schedule-store.ts'
import { Transaction } from './transaction.ts'
import { WriteQueue } from './write-queue.ts'

/** What the openings of one memory store share. */
export interface Shared {
  readonly contents: Contents
  /** The transactions that users have made; each only holds in memory what it is going to write. */
  readonly transactions: Set<Transaction>
  readonly openings: Set<MemoryOpenStore>
}

/** A memory store, as one node has opened it. */
export class MemoryOpenStore implements OpenStore, Holder {
  readonly name: string
  readonly isShared: boolean
  readonly opening: StoreOpening
  readonly member: Member
  readonly findings: readonly Finding[]
  readonly deadLetters: DeadLetterLog
  readonly schedules: ScheduleStore
  readonly leaseMs?: number
  readonly renew?: (claims: readonly Claim[], lacks?: readonly Lack[]) => Promise<Renewal>
  readonly unknownTypeMs?: number
  readonly #shared: Shared
  readonly #time: StoreTime
  readonly #contents: Contents
  readonly #writes = new WriteQueue()
  readonly #settling = new Set<Transaction>()
  #isClosing = false
  isOpen = true

  constructor(shared: Shared, opening: StoreOpening, findings: readonly Finding[]) {
    this.#shared = shared
    this.#contents = shared.contents
    this.#time = new StoreTime(opening.clock, shared.contents.time)
    this.name = nameOf(shared.contents)
    this.isShared = shared.contents.settings.isShared
    this.opening = opening
    this.member = enter(shared.contents, opening.subscriptions)
    this.findings = findings
    const access: Access = {
      checkOpen: () => this.#checkOpen(),
      write: (step) => this.#write(step),
      lettersChanged: () => this.#tellOthers(({ lettersChanged }) => lettersChanged),
      writeMessages: (messages, step) => this.#writeMessages(messages, step),
    }
    this.deadLetters = deadLetterLogOf(shared.contents, access)
    this.schedules = scheduleStoreOf(shared.contents, access)
    if (shared.contents.settings.isShared) {
      this.leaseMs = shared.contents.settings.leaseMs
      this.unknownTypeMs = shared.contents.settings.unknownTypeMs
      this.renew = (claims, lacks = []) => this.#write(() => renew(this.#contents, this, { claims, lacks }))
    }
  }

  now(): number {
    return this.#time.now(this.#contents.time)
  }

  takes(type: string): boolean {
    const rows = [...this.#contents.subscriptions.values()]
    return rows.some(({ ranges }) => ranges.some((range) => range.type === type && range.upTo === undefined))
  }

  async append(messages: readonly NewMessage[], tx?: unknown): Promise<readonly boolean[]> {
    if (tx === undefined) return this.#writeMessages(messages, () => appendAll(this.#contents, messages))
    this.#checkOpen()
    if (!(tx instanceof Transaction && this.#shared.transactions.has(tx))) {
      const remedy = "Pass one that this very store's transaction() has given."
      throw new ForeignTransaction(`The transaction is none of ${nameOf(this.#contents)}. ${remedy}`)
    }
    tx.checkOpen()
    if (this.#holdsIds(messages, tx)) await this.#idsAreFree(messages, tx)
    this.#contents.time = this.now()
    const isNew = messages.map(({ id, mayRepeat }, index) => {
      const isTwice = [...tx.messages, ...messages.slice(0, index)].some((one) => one.mayRepeat && one.id === id)
      return !mayRepeat || !(isTwice || isRemembered(this.#contents, id))
    })
    tx.messages.push(...messages.filter((_, index) => isNew[index]).map((message) => ({ ...message })))
    return isNew
  }

  claim(): Promise<readonly Claim[]> {
    return this.#write(() => claimFree(this.#contents, this))
  }

  async read(partition: number, after: number, limit: number): Promise<readonly LoggedMessage[]> {
    this.#checkOpen()
    const messages = this.#contents.logs[partition]?.messages ?? []
    const first = messages.findIndex(({ position }) => position > after)
    return first === -1 ? [] : messages.slice(first, first + limit).map((message) => logged(message, message.position))
  }

  async readAt(partition: number, positions: readonly number[]): Promise<readonly LoggedMessage[]> {
    this.#checkOpen()
    const messages = this.#contents.logs[partition]?.messages ?? []
    const found = positions.flatMap((position) => messages.find((message) => message.position === position) ?? [])
    return found.map((message) => logged(message, message.position))
  }

  async exceptions({ subscription, partition }: Claim): Promise<readonly Exception[]> {
    this.#checkOpen()
    const row = this.#contents.subscriptions.get(subscription)?.claims[partition]
    const all = [...(row?.exceptions.values() ?? [])].sort((a, b) => a.position - b.position)
    return all.map((exception) => ({ ...exception }))
  }

  settle(claim: Claim | undefined, settlement: Settlement): Promise<readonly boolean[]> {
    return this.#write(async () => {
      if (claim !== undefined) heldRow(this.#contents, this, claim)
      const tx = new Transaction()
      this.#shared.transactions.add(tx)
      this.#settling.add(tx)
      try {
        const { work, caused = [] } = settlement
        const returned = work === undefined ? [] : await this.#writes.runWork(() => work(tx))
        const messages = [...caused, ...tx.messages, ...returned]
        await this.#idsAreFree(messages, tx)
        this.#checkOpen()
        this.#contents.time = this.now()
        return this.#store(claim, settlement, { messages, tx })
      } finally {
        this.#settling.delete(tx)
        this.#shared.transactions.delete(tx)
        tx.end()
      }
    })
  }

  /** What may throw comes first, and nothing is awaited: it is stored as a whole, or not at all. */
  #store(
    claim: Claim | undefined,
    settlement: Settlement,
    { messages, tx }: { readonly messages: readonly NewMessage[]; readonly tx: Transaction },
  ): readonly boolean[] {
    const contents = this.#contents
    if (claim !== undefined) settleClaim(heldRow(contents, this, claim), settlement)
    for (const letter of settlement.dead ?? []) bury(contents, letter)
    for (const id of settlement.revived ?? []) contents.letters.delete(id)
    const isNew = appendAll(contents, messages)
    contents.effects.push(...tx.effects)
    prune(contents)
    if (messages.length > 0) this.#wakeAll()
    // Of those that its work appended, their own append has told.
    if (tx.messages.length > 0) isNew.splice(settlement.caused?.length ?? 0, tx.messages.length)
    return isNew
  }

  release(claims: readonly Claim[]): Promise<void> {
    return this.#write(() => {
      for (const claim of claims) release(this.#contents, this, claim)
      if (claims.length > 0) this.tellOthers()
    })
  }

  cancel(id: string): Promise<boolean> {
    return this.#write(() => cancel(this.#contents, id))
  }

  appendDue(limit: number): Promise<number | undefined> {
    return this.#write(() => {
      const { count, next } = appendDue(this.#contents, limit)
      if (count > 0) this.#wakeAll()
      return next
    })
  }

  async stats(): Promise<StoreStats> {
    this.#checkOpen()
    const { logs, delayed, letters: dead, subscriptions } = this.#contents
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
    return {
      appended: sum(logs.map(({ tail }) => tail)),
      messages: sum(logs.map(({ messages }) => messages.length)),
      delayed: delayed.length,
      deadLetters: dead.size,
      subscriptions: [...subscriptions.values()].map(({ name, claims }) => ({
        name,
        behind: sum(claims.map(({ progress }, partition) => (logs[partition]?.tail ?? 0) - progress.cursor)),
        exceptions: sum(claims.map(({ exceptions }) => exceptions.size)),
      })),
    }
  }

  async close(): Promise<void> {
    if (this.#isClosing || !this.isOpen) return
    const last = this.#writes.add(() => {})
    this.#isClosing = true
    await last
    this.fence()
    leave(this.#contents, this)
    this.tellOthers()
  }

  /** Their shares have changed, or there is something to take. */
  tellOthers(): void {
    this.#tellOthers(({ claimsChanged }) => claimsChanged)
  }

  #tellOthers(what: (opening: StoreOpening) => (() => void) | undefined): void {
    for (const { opening } of this.#shared.openings) {
      const tell = opening === this.opening ? undefined : what(opening)
      if (tell !== undefined) queueMicrotask(tell)
    }
  }

  /** From now on nothing of this opening is stored any more. */
  fence(): void {
    this.isOpen = false
    this.#shared.openings.delete(this)
    for (const tx of this.#settling) {
      this.#shared.transactions.delete(tx)
      tx.end()
    }
  }

  #write<T>(step: () => T | Promise<T>): Promise<T> {
    if (this.#isClosing) return Promise.reject(this.#closed())
    return this.#writes.add(() => {
      this.#checkOpen()
      this.#contents.time = this.now()
      return step()
    })
  }

  #writeMessages<T>(messages: readonly NewMessage[], step: () => T): Promise<T> {
    return this.#write(async () => {
      await this.#idsAreFree(messages)
      this.#checkOpen()
      const result = step()
      this.#wakeAll()
      return result
    })
  }

  /** Whether a duplicate is in flight: nobody knows yet which of the two is the second one. */
  #holdsIds(messages: readonly NewMessage[], except?: Transaction): Transaction | undefined {
    const ids = new Set(messages.filter(({ mayRepeat }) => mayRepeat).map(({ id }) => id))
    const isHeld = ({ id, mayRepeat }: NewMessage): boolean => mayRepeat && ids.has(id)
    return [...this.#shared.transactions].find((tx) => tx !== except && tx.isOpen && tx.messages.some(isHeld))
  }

  async #idsAreFree(messages: readonly NewMessage[], except?: Transaction): Promise<void> {
    for (let holder = this.#holdsIds(messages, except); holder; holder = this.#holdsIds(messages, except)) {
      await holder.ended
    }
  }

  #wakeAll(): void {
    for (const { opening } of this.#shared.openings) queueMicrotask(opening.wake)
  }

  #checkOpen(): void {
    if (!this.isOpen) throw this.#closed()
  }

  #closed(): StoreFailed {
    return new StoreFailed(
      'STORE_CLOSED',
      `${nameOf(this.#contents)} was closed. Open it again, and use what that gives.`,
    )
  }
}

function nameOf({ settings }: Contents): string {
  return settings.isShared ? 'the shared memory store' : 'the memory store'
}
