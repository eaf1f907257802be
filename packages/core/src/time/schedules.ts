import { InvalidOption } from '../errors.ts'
import type { Schedule } from './schedule.ts'

/** Fires schedules while the bus runs. */
export interface ScheduleRunner {
  /** Takes schedules, and fires what has come due meanwhile. */
  open(schedules: Iterable<Schedule>): void
  /** Takes one more. */
  add(schedule: Schedule): void
  /** Fires it no more, and forgets when it is due. */
  remove(schedule: Schedule): Promise<void>
  /** Fires none any more. Resolves when what has begun is stored. */
  close(): Promise<void>
}

/** All schedules of a dispatcher, by name, whether it runs or not. */
export class Schedules {
  readonly #all = new Map<string, Schedule>()
  #runner: ScheduleRunner | undefined
  #closed: Promise<void> = Promise.resolve()

  /** @throws {InvalidOption} for a name that is taken. */
  add(schedule: Schedule): void {
    const { name } = schedule
    if (this.#all.has(name)) {
      throw new InvalidOption(`There is a schedule '${name}' already. Take another name, or end it with dp.unschedule.`)
    }
    this.#all.set(name, schedule)
    this.#runner?.add(schedule)
  }

  /** Tells whether there was one. */
  async remove(name: string): Promise<boolean> {
    const schedule = this.#all.get(name)
    if (schedule === undefined) return false
    this.#all.delete(name)
    await this.#runner?.remove(schedule)
    return true
  }

  open(runner: ScheduleRunner): void {
    this.#runner = runner
    runner.open(this.#all.values())
  }

  /** Fires none any more. Resolves when what has begun is stored, however often it is called. */
  close(): Promise<void> {
    const runner = this.#runner
    this.#runner = undefined
    if (runner !== undefined) this.#closed = runner.close()
    return this.#closed
  }
}
