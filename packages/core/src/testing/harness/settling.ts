import type { Bus } from '../../bus.ts'
import { turn } from '../virtual-clock.ts'
import type { HarnessClock } from './harness-clock.ts'
import { NotSettled, remedyFor, whatWaits } from './not-settled.ts'
import { Patience } from './patience.ts'
import type { Recorder } from './recorder.ts'
import { type Behind, busy, leftInStore, unfinished } from './unfinished.ts'

/** In how many rounds something may happen before it is said that this has no end. */
const ROUNDS = 20_000

/** What settling works with. */
export interface SettlingParts {
  readonly bus: Bus
  readonly clock: HarnessClock
  readonly recorder: Recorder
}

/** What a program waits for: for its time to come, for work that is under way, or for nothing. */
type Awaits = 'clock' | 'work' | 'nothing'

/**
 * Waits until nothing is left to be done, by what the engine and the store count. What runs by itself is waited for in real
 * time, while the clock stands; when all that is left waits for its time, the clock is moved on to that.
 *
 * @param timeoutMs for how long nothing may happen while something runs: milliseconds of real time.
 * @throws {NotSettled} as a rejection, where that does not come.
 */
export async function settle(parts: SettlingParts, timeoutMs: number): Promise<void> {
  const { clock, recorder } = parts
  const patience = new Patience(timeoutMs)
  try {
    for (let rounds = 0; rounds < ROUNDS;) {
      const { said } = recorder
      await turn()
      const awaited = await awaits(parts, patience)
      const hasMoved = awaited === 'clock' && (await moveOn(parts))
      if (awaited === 'nothing' && recorder.said === said) return
      if (hasMoved || recorder.said !== said) {
        rounds += 1
        patience.restart()
      } else if (patience.isOver) throw await notSettled(parts, `nothing has happened for ${timeoutMs} ms.`)
    }
    throw await notSettled(parts, `it goes on and on: after ${clock.monotonic()} ms of the clock there is no end.`)
  } finally {
    patience.end()
  }
}

/** Finds out what the program waits for; what is under way has its time to go on. */
async function awaits(parts: SettlingParts, patience: Patience): Promise<Awaits> {
  const { bus, clock, recorder } = parts
  const { census, held } = bus.machine.engine
  const deliveries = unfinished(bus)
  const isBusy = busy(deliveries).length > 0
  if (isBusy && clock.ownInMs !== undefined) return 'clock'
  const isRetrying = held.retrying().length > 0
  if (census.inFlight > 0 && (isBusy || !isRetrying)) {
    await Promise.race([recorder.next(), census.idle(), patience.over])
    return 'work'
  }
  if (recorder.isStoreFailing) return 'clock'
  const { said } = recorder
  const left = await Promise.race([leftWhenWritten(bus), recorder.next(), patience.over])
  if (left === undefined || recorder.said !== said) return 'work'
  if (isRetrying || left.delayed > 0) return 'clock'
  return census.inFlight > 0 || left.behind.length > 0 ? 'work' : 'nothing'
}

interface Left {
  readonly behind: readonly Behind[]
  readonly delayed: number
}

/** What is left when all that was said to the store is written; nothing where it cannot tell. */
async function leftWhenWritten(bus: Bus): Promise<Left | undefined> {
  try {
    await bus.opened?.persistence?.written()
    return await leftIn(bus)
  } catch {
    return undefined // It fails, and will be asked again: what does not come is told as such.
  }
}

async function leftIn(bus: Bus): Promise<Left> {
  const { behind, delayed } = await leftInStore(bus)
  return { behind, delayed: delayed + (bus.opened?.delays.size ?? 0) }
}

/** Has the next timer fire that somebody waits for. What only looks again whether something is due is passed at once. */
async function moveOn({ bus, clock, recorder }: SettlingParts): Promise<boolean> {
  const { said } = recorder
  const isInHaste = bus.machine.engine.census.inFlight === 0 && bus.machine.engine.held.retrying().length === 0
  const dueAt = isInHaste && !recorder.isStoreFailing ? nextDueAt(bus) : 0
  let hasMoved = false
  while (clock.fireNext()) {
    hasMoved = true
    if (clock.now() >= dueAt) break
    await turn()
    if (recorder.said !== said) break
  }
  return hasMoved
}

function nextDueAt({ opened }: Bus): number {
  return Math.min(opened?.delays.dueAt ?? Infinity, opened?.persistence?.delays.dueAt ?? Infinity)
}

async function notSettled({ bus, clock }: SettlingParts, why: string): Promise<NotSettled> {
  const left = await Promise.race([leftIn(bus).catch(() => undefined), turn()])
  const waiting = whatWaits(bus, { ...left, nextTimerInMs: clock.nextInMs })
  return new NotSettled(why + remedyFor(bus), waiting)
}
