import type { Bus } from '../../bus.ts'
import type { Delivery } from '../../engine/delivery.ts'
import { IambusError } from '../../errors.ts'
import { messageText } from './message-text.ts'
import { type Behind, busy, requestsOf, unfinished } from './unfinished.ts'

/** A program does not come to rest. `waiting` says, a line each, which delivery waits for what. */
export class NotSettled extends IambusError {
  readonly waiting: readonly string[]

  constructor(why: string, waiting: readonly string[]) {
    const list = waiting.length === 0 ? '' : `\n${waiting.map((line) => `  - ${line}`).join('\n')}`
    super('NOT_SETTLED', `The program did not come to rest: ${why}${list}`)
    this.waiting = waiting
  }
}

/** What is known of what is left. */
export interface Left {
  /** What the store has left; `undefined` where it does not say. */
  readonly behind?: readonly Behind[]
  readonly delayed?: number
  readonly nextTimerInMs: number | undefined
}

/** Says of each delivery what it waits for, and of the store and the clock what is left there. */
export function whatWaits(bus: Bus, { behind, delayed = 0, nextTimerInMs }: Left): string[] {
  const deliveries = unfinished(bus)
  const now = bus.machine.engine.clock.now()
  const lines = deliveries.map((one) => {
    const since = `since ${new Date(one.envelope.time).toISOString()} (${now - one.envelope.time} ms of the clock)`
    return `${nameOf(one)} ${stateOf(one, deliveries)}, ${since}`
  })
  if (delayed > 0) lines.push(`messages wait until they are due: ${delayed}`)
  if (behind === undefined) lines.push('the store does not answer')
  for (const { handler, unread, aside } of behind ?? []) {
    lines.push(`the store has, for ${handler}: to be read or written as done ${unread}, set aside ${aside}`)
  }
  if (nextTimerInMs !== undefined) lines.push(`the next timer of the clock is due in ${nextTimerInMs} ms`)
  return lines
}

/** What to do about it. */
export function remedyFor(bus: Bus): string {
  const running = busy(unfinished(bus))
  if (running.length === 0) return ''
  const [{ target }] = running as [Delivery, ...Delivery[]]
  const own =
    target.timeoutMs === undefined ? '' : ` Its own timeoutMs is reached with clock.advance(${target.timeoutMs}).`
  return ` Have its handler end, or raise timeoutMs of settled(), in real milliseconds.${own}`
}

function stateOf(delivery: Delivery, all: readonly Delivery[]): string {
  const { state, lane, key, attempt, target } = delivery
  if (state === 'retrying') return `waits for its attempt ${attempt}${lastError(delivery)}`
  if (state === 'running') {
    const requests = requestsOf(delivery, all)
    const ofTime = target.timeoutMs === undefined ? '' : `, with a timeoutMs of ${target.timeoutMs}`
    if (requests.length === 0) return `runs (attempt ${attempt}${ofTime}): what its handler awaits has not come`
    return `runs (attempt ${attempt}${ofTime}): it waits for the answer of ${requests.map(nameOf).join(' and ')}`
  }
  const head = lane?.head
  if (head !== undefined && head !== delivery) {
    return `waits in the lane of the key '${key}' behind ${nameOf(head)}, which ${shortState(head)}`
  }
  return 'waits for a worker: all that may run at a time do'
}

function shortState({ state }: Delivery): string {
  if (state === 'retrying') return 'waits for its next attempt'
  return state === 'running' ? 'runs' : `is ${state}`
}

function lastError({ rest }: Delivery): string {
  const error = rest?.failures?.attempts.at(-1)?.error
  return error === undefined ? '' : ` after ${error.name}: ${error.message}`
}

function nameOf({ handler, message, type, key }: Delivery): string {
  return `${handler} with ${messageText(type, message)}${key === undefined ? '' : ` of the key '${key}'`}`
}
