import type { NewMessage } from '../ports/store.ts'
import type { ScheduleStore } from '../ports/schedule-store.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Log, MessageRow } from './log.ts'
import { messageOf } from './log.ts'
import type { Reads } from './reads.ts'
import type { Statements } from './statements.ts'

interface DelayParts {
  readonly statements: Statements
  readonly commits: GroupCommit
  readonly reads: Reads
  readonly log: Log
  readonly now: () => number
}

/** Messages that are not due yet, and the recurring schedules. */
export class Delays implements ScheduleStore {
  readonly #parts: DelayParts

  constructor(parts: DelayParts) {
    this.#parts = parts
  }

  /** Its id may come again: it was never sent. */
  cancel(id: string): Promise<boolean> {
    const { commits, statements } = this.#parts
    return commits.add({
      rows: 1,
      apply: () => {
        const wasThere = Number(statements.cancel.run(id).changes) > 0
        if (wasThere) statements.forgetSeen.run(id)
        return wasThere
      },
    })
  }

  appendDue(limit: number): Promise<number | undefined> {
    const { commits, statements, log, now } = this.#parts
    return commits.add({
      rows: limit,
      apply: (transaction) => {
        for (const row of statements.due.all(now(), limit) as (MessageRow & { readonly seq: number })[]) {
          log.put(transaction, messageOf(row))
          statements.undelay.run(row.seq)
        }
        return log.nextDue()
      },
    })
  }

  dueAt(name: string): Promise<number | undefined> {
    return this.#parts.reads.settled(() => this.#dueAt(name))
  }

  #dueAt(name: string): number | undefined {
    return (this.#parts.statements.scheduled.get(name) as { readonly due_at: number } | undefined)?.due_at
  }

  put(name: string, dueAt: number): Promise<void> {
    const { commits, statements } = this.#parts
    return commits.add({ rows: 1, apply: () => void statements.schedule.run(name, dueAt) })
  }

  fire(
    name: string,
    of: { readonly dueAt: number; readonly next: number; readonly message: NewMessage },
  ): Promise<boolean> {
    const { commits, statements, log } = this.#parts
    return commits.add({
      rows: 2,
      apply: (transaction) => {
        if (this.#dueAt(name) !== of.dueAt) return false
        statements.schedule.run(name, of.next)
        log.append(transaction, [of.message])
        return true
      },
    })
  }

  remove(name: string): Promise<boolean> {
    const { commits, statements } = this.#parts
    return commits.add({ rows: 1, apply: () => Number(statements.unschedule.run(name).changes) > 0 })
  }
}
