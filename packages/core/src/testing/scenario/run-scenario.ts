import { messageTypeOf, typeName } from '../../message/message-type.ts'
import type { Harness } from '../harness/harness.ts'
import { messageText } from '../harness/message-text.ts'
import type { RecordedDelivery, RecordedMessage } from '../harness/recorded.ts'
import { type Expectation, matched } from './expectation.ts'
import { type Fault, missingFaults, ScenarioFailed } from './scenario-failed.ts'
import { messageOf, tell, type Told } from './told.ts'

/** An error that is expected: its class, its `code`, or a part of its message. */
export type Failure = (abstract new (...args: never) => Error) | string

/** What a scenario was told. */
export interface Script {
  readonly given: readonly Told[]
  readonly when: readonly Told[]
  readonly expected: readonly Expectation[]
  readonly fails: readonly Failure[]
  readonly isAll: boolean
}

/** Something that failed for good: a call that was refused or rejected, or a delivery. */
interface Failed {
  readonly text: string
  readonly error: Error
  /** Whether it was a message of `when`, and not what that caused. */
  readonly isOwn: boolean
}

/** Runs a scenario. @throws {ScenarioFailed | NotSettled} as a rejection. */
export async function runScenario(harness: Harness, script: Script): Promise<void> {
  const { recorder } = harness
  await harness.start()
  const before = await tellAll(harness, script.given)
  const from = recorder.messages.length
  const refused = before.length > 0 ? [] : await tellAll(harness, script.when)
  const happened = recorder.messages.slice(from)
  const faults = before.length > 0 ? before.map(asFault) : faultsOf(script, happened, refused)
  if (faults.length > 0) throw new ScenarioFailed(faults, harness.tree())
}

/** Tells the dispatcher one message after the other, and waits until it is at rest. Gives what was refused, or rejected. */
async function tellAll(harness: Harness, messages: Script['when']): Promise<Failed[]> {
  const calls = messages.map(async (told) => ({ told, error: await tell(harness.dp, told) }))
  await harness.settled()
  const ended = await Promise.all(calls)
  return ended.flatMap(({ told, error }) => {
    return error === undefined ? [] : [{ text: `${shortText(messageOf(told))} failed`, error, isOwn: true }]
  })
}

function faultsOf(script: Script, happened: readonly RecordedMessage[], refused: readonly Failed[]): Fault[] {
  const told = script.when.map(messageOf)
  const isOwn = ({ cause, message }: RecordedMessage): boolean => cause === undefined && told.includes(message)
  const matching = matched(
    script.expected,
    happened.filter((one) => !isOwn(one)),
  )
  const failed = [...refused]
  for (const message of happened) {
    for (const delivery of message.deliveries) {
      const { outcome, error } = delivery
      if (error === undefined || (outcome !== 'dead' && outcome !== 'rejected')) continue
      // The caller of a request has the error of its delivery.
      if (failed.every((one) => one.error !== error))
        failed.push({ text: textOf(delivery), error, isOwn: isOwn(message) })
    }
  }
  const wanted = script.fails.map((failure) => ({
    failure,
    by: failed.filter(({ error }) => isFailure(error, failure)),
  }))
  const unexpected = failed.filter((one) => !wanted.some(({ by }) => by.includes(one)))
  const faults = [
    ...wanted.filter(({ by }) => by.length === 0).map(({ failure }) => notFailed(failure, failed)),
    ...missingFaults(matching),
    ...unexpected.filter((one) => script.isAll || one.isOwn).map(asFault),
  ]
  if (!script.isAll) return faults
  const others = matching.others.filter((one) => !isQuery(one))
  const held = happened.flatMap(({ deliveries }) => deliveries.filter(({ outcome }) => isHeld(outcome)))
  return [
    ...faults,
    ...others.map((one) => ({ text: `Expected nothing else, and ${messageText(one.type, one.message)} was caused.` })),
    ...held.map((one) => ({ text: `Expected nothing else, and ${textOf(one)}.` })),
  ]
}

function isHeld(outcome: RecordedDelivery['outcome']): boolean {
  return outcome === 'parked' || outcome === 'stopped'
}

function isQuery({ deliveries }: RecordedMessage): boolean {
  return deliveries.some(({ handler }) => handler.startsWith('queries/'))
}

function isFailure(error: Error, failure: Failure): boolean {
  if (typeof failure === 'function') return error instanceof failure
  return (error as { code?: unknown }).code === failure || error.message.includes(failure)
}

function notFailed(failure: Failure, failed: readonly Failed[]): Fault {
  const what = typeof failure === 'function' ? failure.name : `'${failure}'`
  const others = failed.map(({ error }) => `${error.name}: ${error.message}`).join('; ')
  return {
    text: `Expected it to fail with ${what}, and it ${others === '' ? 'did not fail' : `failed with ${others}`}.`,
  }
}

function asFault({ text, error }: Failed): Fault {
  return { text: `Expected no failure, and ${text}: ${error.name}: ${error.message}`, cause: error }
}

function textOf({ handler, type, message, outcome }: RecordedDelivery): string {
  return `${handler} with ${messageText(type, message)} is ${outcome}`
}

function shortText(message: object | string): string {
  return messageText(typeof message === 'string' ? message : typeName(messageTypeOf(message)), message)
}
