import type { Exception, NewMessage, Settlement } from '../../../ports/store.ts'

/** What a store has to hold, in the simplest words: sets and lists that only grow. */
export class Model {
  /** All ids that were ever appended: that at position n is at n - 1. */
  readonly log: string[] = []
  readonly seen: Set<string> = new Set()
  delayed: { readonly id: string; readonly dueAt: number }[] = []
  /** The ids of dead letters, the oldest death first. */
  letters: string[] = []
  /** The ids of those that are being replayed. */
  readonly replaying: Set<string> = new Set()
  /** What works have written. */
  readonly effects: string[] = []
  readonly subscriptions: ReadonlyMap<string, SubscriptionModel>

  constructor(names: readonly string[]) {
    this.subscriptions = new Map(names.map((name) => [name, new SubscriptionModel()]))
  }

  append(messages: readonly NewMessage[]): boolean[] {
    return messages.map(({ id, mayRepeat, dueAt }) => {
      if (mayRepeat && this.seen.has(id)) return false
      if (mayRepeat) this.seen.add(id)
      if (dueAt === undefined) this.log.push(id)
      else this.delayed.push({ id, dueAt })
      return true
    })
  }

  appendDue(now: number, limit: number): number | undefined {
    this.delayed.sort((a, b) => a.dueAt - b.dueAt)
    for (let n = 0; n < limit && (this.delayed[0]?.dueAt ?? now + 1) <= now; n += 1) {
      this.log.push((this.delayed.shift() as { readonly id: string }).id)
    }
    return this.delayed[0]?.dueAt
  }

  cancel(id: string): boolean {
    const left = this.delayed.filter((one) => one.id !== id)
    const hasOne = left.length < this.delayed.length
    this.delayed = left
    if (hasOne) this.seen.delete(id) // It never came: it may be appended anew.
    return hasOne
  }

  settle(name: string, settlement: Settlement): boolean[] {
    this.subscriptions.get(name)?.settle(settlement)
    const revived = settlement.revived ?? []
    for (const { id } of settlement.dead ?? []) {
      this.letters = [...this.letters.filter((one) => one !== id), id]
      this.replaying.delete(id)
    }
    this.remove(revived)
    return this.append(settlement.caused ?? [])
  }

  beginReplay(id: string): boolean {
    return this.letters.includes(id) && this.replaying.size < this.replaying.add(id).size
  }

  remove(ids: readonly string[]): void {
    this.letters = this.letters.filter((id) => !ids.includes(id))
    for (const id of ids) this.replaying.delete(id)
  }

  /** The positions of what has to be in the log: somebody has not finished it, or has an exception for it. */
  needed(): number[] {
    const all = [...this.subscriptions.values()]
    return this.log
      .map((_, n) => n + 1)
      .filter((position) => all.some(({ done, exceptions }) => !done.has(position) || exceptions.has(position)))
  }
}

export class SubscriptionModel {
  reach = 0
  readonly done: Set<number> = new Set()
  readonly exceptions: Map<number, Exception> = new Map()

  settle({ reached = 0, done = [], exceptions = [], cleared = [] }: Settlement): void {
    this.reach = Math.max(this.reach, reached)
    for (const [from, to] of done) {
      for (let position = from; position <= Math.min(to, this.reach); position += 1) this.done.add(position)
    }
    for (const one of exceptions) {
      this.exceptions.set(one.position, one)
      this.done.add(one.position)
    }
    for (const position of cleared) this.exceptions.delete(position)
  }

  get cursor(): number {
    let cursor = 0
    while (this.done.has(cursor + 1)) cursor += 1
    return cursor
  }

  unfinished(): number[] {
    return Array.from({ length: this.reach }, (_, n) => n + 1).filter((position) => !this.done.has(position))
  }
}
