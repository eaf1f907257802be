import type { Dispatch } from '../engine/outlet.ts'
import { asError } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Clock } from '../ports/clock.ts'
import { DueTimer, LOOK_AGAIN_MS } from './due-timer.ts'
import { passedTimes, type PassedTimes } from './passed-times.ts'
import { nextOf, type Schedule } from './schedule.ts'
import { sayMissed, scheduled, type ScheduleOutlet } from './scheduled.ts'
import type { ScheduleRunner } from './schedules.ts'

/** What schedules in memory work with. */
export interface MemorySchedulesParts {
  readonly clock: Clock
  readonly observer: Observer
  readonly outlet: ScheduleOutlet & { release(dispatches: readonly Dispatch[]): void }
  /** When each schedule is due next. It outlives a stop: what passes before the next start has been missed. */
  readonly dueAt: WeakMap<Schedule, number>
}

/** Fires schedules without a store. */
export class MemorySchedules implements ScheduleRunner {
  readonly #parts: MemorySchedulesParts
  readonly #all = new Set<Schedule>()
  readonly #timer: DueTimer

  constructor(parts: MemorySchedulesParts) {
    this.#parts = parts
    const { clock } = parts
    // What comes within the time that the timer is late has not been missed.
    this.#timer = new DueTimer(clock, { now: () => clock.now(), run: () => this.#fireDue(LOOK_AGAIN_MS) })
  }

  open(schedules: Iterable<Schedule>): void {
    for (const schedule of schedules) this.#take(schedule)
    this.#fireDue(0)
  }

  add(schedule: Schedule): void {
    this.#take(schedule)
    this.#wait()
  }

  remove(schedule: Schedule): Promise<void> {
    this.#all.delete(schedule)
    this.#parts.dueAt.delete(schedule)
    this.#wait()
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#all.clear()
    this.#timer.set(undefined)
    return Promise.resolve()
  }

  #take(schedule: Schedule): void {
    this.#all.add(schedule)
    const { dueAt, clock } = this.#parts
    if (!dueAt.has(schedule)) this.#plan(schedule, () => nextOf(schedule, clock.now()))
  }

  /** @param lateMs by how much a due time may have passed without having been missed. */
  #fireDue(lateMs: number): void {
    const now = this.#parts.clock.now()
    const due = this.#inOrder().filter(([, dueAt]) => dueAt <= now)
    for (const [schedule, first] of due) {
      if (!this.#all.has(schedule)) continue // What was fired before had it ended, or the bus stopped.
      let passed: PassedTimes | undefined
      this.#plan(schedule, () => {
        passed = passedTimes(schedule, first, { now, lateMs })
        return passed.next
      })
      if (passed === undefined) continue
      sayMissed(schedule, passed, this.#parts.observer)
      for (const dueAt of passed.fire) this.#fire(schedule, dueAt)
    }
    this.#wait()
  }

  #fire(schedule: Schedule, dueAt: number): void {
    if (!this.#all.has(schedule)) return
    const { observer, outlet } = this.#parts
    try {
      outlet.release([scheduled(schedule, dueAt, outlet)])
    } catch (thrown) {
      const error = asError(thrown)
      observer.say('scheduleFailed', { schedule: schedule.name, dueAt: new Date(dueAt), error, goesOn: 'next' })
    }
  }

  /** Has it be due at the time that `next` gives. */
  #plan(schedule: Schedule, next: () => number | undefined): void {
    const { dueAt, observer } = this.#parts
    dueAt.delete(schedule)
    try {
      const at = next()
      if (at !== undefined) dueAt.set(schedule, at)
    } catch (thrown) {
      const error = asError(thrown)
      observer.say('scheduleFailed', { schedule: schedule.name, dueAt: undefined, error, goesOn: 'no' })
    }
  }

  #inOrder(): (readonly [Schedule, number])[] {
    const { dueAt } = this.#parts
    return [...this.#all]
      .flatMap((schedule) => {
        const at = dueAt.get(schedule)
        return at === undefined ? [] : [[schedule, at] as const]
      })
      .sort(([, a], [, b]) => a - b)
  }

  #wait(): void {
    this.#timer.set(this.#inOrder()[0]?.[1])
  }
}
