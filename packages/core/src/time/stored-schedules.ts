import { asError, InvalidOption } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Clock } from '../ports/clock.ts'
import type { NewMessage, OpenStore } from '../ports/store.ts'
import type { Caused, Causing } from '../engine/caused.ts'
import { DueTimer, LOOK_AGAIN_MS } from './due-timer.ts'
import { passedTimes } from './passed-times.ts'
import { END_OF_TIME, nextOf, type Schedule } from './schedule.ts'
import { sayMissed, scheduled, type ScheduleOutlet } from './scheduled.ts'
import type { ScheduleRunner } from './schedules.ts'
import { storeBackoffMs } from './store-backoff.ts'

/** What schedules in a store work with. */
export interface StoredSchedulesParts {
  readonly store: Pick<OpenStore, 'now' | 'schedules'>
  readonly clock: Clock
  readonly observer: Observer
  readonly outlet: ScheduleOutlet
  readonly causing: Causing
}

/** A schedule, as it stands here. */
interface Standing {
  readonly schedule: Schedule
  /** When it is due, as the store has said; `undefined` before it has, and where it never is. */
  dueAt: number | undefined
  /** When there is something to do for it next. */
  wakeAt: number | undefined
  failures: number
}

/**
 * Fires schedules where a store keeps when each is due next: whoever changes that stores the message with it, so that each due
 * time fires once, whatever nodes there are and whenever they start.
 *
 * What the store says is due has come, and counts, though the schedule may have been changed since. What it says is still to
 * come gives way to what the schedule says now.
 */
export class StoredSchedules implements ScheduleRunner {
  readonly #parts: StoredSchedulesParts
  readonly #standing = new Map<Schedule, Standing>()
  readonly #timer: DueTimer
  /** What is being done right now, by schedule. */
  readonly #doing = new Map<Schedule, Promise<void>>()

  constructor(parts: StoredSchedulesParts) {
    this.#parts = parts
    const { clock, store } = parts
    this.#timer = new DueTimer(clock, { now: () => store.now(), run: () => this.#wake() })
  }

  open(schedules: Iterable<Schedule>): void {
    for (const schedule of schedules) this.add(schedule)
  }

  add(schedule: Schedule): void {
    const standing: Standing = { schedule, dueAt: undefined, wakeAt: undefined, failures: 0 }
    this.#standing.set(schedule, standing)
    this.#do(standing, () => this.#begin(standing))
  }

  async remove(schedule: Schedule): Promise<void> {
    this.#standing.delete(schedule)
    this.#wait()
    await this.#doing.get(schedule)
    await this.#parts.store.schedules.remove(schedule.name)
  }

  async close(): Promise<void> {
    this.#standing.clear()
    this.#timer.set(undefined)
    await Promise.all(this.#doing.values())
  }

  #wake(): void {
    const now = this.#parts.store.now()
    for (const standing of this.#standing.values()) {
      if (this.#doing.has(standing.schedule) || standing.wakeAt === undefined || standing.wakeAt > now) continue
      this.#do(standing, () =>
        standing.dueAt === undefined ? this.#begin(standing) : this.#fire(standing, standing.dueAt, LOOK_AGAIN_MS),
      )
    }
    this.#wait()
  }

  /** Finds out when it is due, and fires what was missed. */
  async #begin(standing: Standing): Promise<void> {
    const { schedule } = standing
    const { store } = this.#parts
    const now = store.now()
    const fresh = nextOf(schedule, now)
    const stored = await store.schedules.dueAt(schedule.name)
    if (stored !== undefined && stored <= now) return this.#fire(standing, stored, 0)
    if (fresh !== stored) await store.schedules.put(schedule.name, fresh ?? END_OF_TIME)
    this.#plan(standing, fresh)
  }

  /** @param lateMs by how much a due time may have passed without having been missed. */
  async #fire(standing: Standing, first: number, lateMs: number): Promise<void> {
    const { schedule } = standing
    const { store, observer } = this.#parts
    const passed = passedTimes(schedule, first, { now: store.now(), lateMs })
    const { fire, next } = passed
    this.#plan(standing, first)
    let dueAt = first
    const steps = fire.length === 0 ? [undefined] : fire
    for (const [index, one] of steps.entries()) {
      if (!this.#standing.has(schedule)) return
      const then = fire[index + 1] ?? next ?? END_OF_TIME
      const made = one === undefined ? undefined : this.#made(schedule, one)
      if (!(await this.#advance(schedule, { dueAt, next: then, message: made?.stored[0] }))) {
        // Another node was first: it says what has become of the others.
        return this.#plan(standing, await store.schedules.dueAt(schedule.name))
      }
      if (made !== undefined) this.#parts.causing.release(made)
      if (index === 0) sayMissed(schedule, passed, observer)
      dueAt = then
      this.#plan(standing, dueAt)
    }
  }

  /** Fires, or passes the due time where there is nothing to fire. Tells whether it was still due. */
  async #advance(
    { name }: Schedule,
    of: { readonly dueAt: number; readonly next: number; readonly message: NewMessage | undefined },
  ): Promise<boolean> {
    const { schedules } = this.#parts.store
    const { dueAt, next, message } = of
    if (message !== undefined) return schedules.fire(name, { dueAt, next, message })
    if ((await schedules.dueAt(name)) !== dueAt) return false
    await schedules.put(name, next)
    return true
  }

  #made(schedule: Schedule, dueAt: number): Caused | undefined {
    const { outlet, causing, observer } = this.#parts
    try {
      return causing.caused([scheduled(schedule, dueAt, outlet)])
    } catch (thrown) {
      const error = asError(thrown)
      observer.say('scheduleFailed', { schedule: schedule.name, dueAt: new Date(dueAt), error, goesOn: 'next' })
      return undefined
    }
  }

  #do(standing: Standing, step: () => Promise<void>): void {
    const { schedule } = standing
    standing.wakeAt = undefined
    const doing = step()
      .then(
        () => void (standing.failures = 0),
        (thrown: unknown) => this.#failed(standing, asError(thrown)),
      )
      .finally(() => {
        this.#doing.delete(schedule)
        this.#wait()
      })
    this.#doing.set(schedule, doing)
  }

  #failed(standing: Standing, error: Error): void {
    const { schedule, dueAt } = standing
    if (!this.#standing.has(schedule)) return // It was ended, or the bus stops.
    const isWrong = error instanceof InvalidOption
    standing.failures += 1
    standing.wakeAt = isWrong ? undefined : this.#parts.store.now() + storeBackoffMs(standing.failures)
    this.#parts.observer.say('scheduleFailed', {
      schedule: schedule.name,
      dueAt: dueAt === undefined ? undefined : new Date(dueAt),
      error,
      goesOn: isWrong ? 'no' : 'again',
    })
  }

  #plan(standing: Standing, dueAt: number | undefined): void {
    standing.dueAt = dueAt === END_OF_TIME ? undefined : dueAt
    standing.wakeAt = standing.dueAt
  }

  #wait(): void {
    const waits = [...this.#standing.values()].filter(({ schedule }) => !this.#doing.has(schedule))
    const times = waits.flatMap(({ wakeAt }) => wakeAt ?? [])
    this.#timer.set(times.length === 0 ? undefined : Math.min(...times))
  }
}
