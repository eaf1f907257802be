import type { NewMessage } from '../ports/store.ts'
import type { ScheduleStore } from '../ports/schedule-store.ts'
import { Batch, numberOf, optional } from './messages.ts'
import type { Reads } from './reads.ts'
import type { Statements } from './statements.ts'
import type { Transactions } from './transactions.ts'
import type { Writer } from './writer.ts'

interface DelayParts {
  readonly statements: Statements
  readonly writer: Writer
  readonly reads: Reads
  readonly transactions: Transactions
  readonly partitions: number
  readonly dedupeMs: number
  /** Called when there are new messages in the log. */
  readonly appended: () => void
}

/** Messages that are not due yet, and the recurring schedules: each due time once, whichever of the nodes is there first. */
export class Delays implements ScheduleStore {
  readonly #parts: DelayParts

  constructor(parts: DelayParts) {
    this.#parts = parts
  }

  async cancel(id: string): Promise<boolean> {
    return (await this.#run('cancel', [id])).length > 0
  }

  async appendDue(limit: number): Promise<number | undefined> {
    const [row] = await this.#run('appendDue', [limit])
    if (numberOf(row?.['count']) > 0) this.#parts.appended()
    return optional(row?.['next'])
  }

  async dueAt(name: string): Promise<number | undefined> {
    const [row] = await this.#parts.reads.run('scheduled', [name])
    return optional(row?.['due_at'])
  }

  async put(name: string, dueAt: number): Promise<void> {
    await this.#run('schedule', [name, dueAt])
  }

  async fire(
    name: string,
    of: { readonly dueAt: number; readonly next: number; readonly message: NewMessage },
  ): Promise<boolean> {
    const { statements, writer, transactions, partitions, dedupeMs, appended } = this.#parts
    const hasFired = await writer.alone(() => {
      return transactions.run(async (tx) => {
        const moved = await tx.query(statements.text('moveSchedule'), [name, of.dueAt, of.next])
        if (moved.rows.length === 0) return false
        const batch = new Batch(partitions)
        batch.add([of.message])
        await batch.append(tx, { statements, dedupeMs, patience: '0' })
        return true
      })
    })
    if (hasFired) appended()
    return hasFired
  }

  async remove(name: string): Promise<boolean> {
    return (await this.#run('unschedule', [name])).length > 0
  }

  async #run(
    name: 'cancel' | 'appendDue' | 'schedule' | 'unschedule',
    params: unknown[],
  ): Promise<readonly Record<string, unknown>[]> {
    const { statements, writer } = this.#parts
    return writer.alone(async (tx) => (await tx.query(statements.text(name), params)).rows)
  }
}
