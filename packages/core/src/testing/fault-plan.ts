import { InvalidOption, shown } from '../errors.ts'
import { checkCount, checkDurationMs, checkNames, checkObject } from '../options.ts'
import type { StoreFailure } from '../store-errors.ts'

/** These write nothing, and wait for nobody. */
const reads = [
  'read',
  'readAt',
  'exceptions',
  'stats',
  'deadLetters.get',
  'deadLetters.existing',
  'deadLetters.list',
  'deadLetters.replaying',
  'schedules.dueAt',
] as const

/** These are done in the order of the calls. */
const writes = [
  'append',
  'claim',
  'settle',
  'release',
  'renew',
  'cancel',
  'appendDue',
  'deadLetters.beginReplay',
  'deadLetters.endReplay',
  'deadLetters.remove',
  'schedules.put',
  'schedules.fire',
  'schedules.remove',
] as const

/** Something that a store is asked to do: `now` and `takes` only tell, and never fail. */
export type StoreOperation = (typeof reads)[number] | (typeof writes)[number] | 'open' | 'close'

/** Operations: by name, all that read, or all that write; `open` and `close` are neither. */
export type FaultTarget = StoreOperation | 'reads' | 'writes'

/** As which failure of the store: of the other codes, a store says them where they are true, and only there. */
export type FaultCode = Exclude<StoreFailure, 'CLAIM_LOST' | 'STORE_CLOSED'>

const codes: readonly FaultCode[] = [
  'STORE_FAILED',
  'STORE_FULL',
  'STORE_READ_ONLY',
  'STORE_DAMAGED',
  'STORE_OWNED',
  'STORE_TOO_NEW',
  'STORE_OF_ANOTHER_SERVICE',
]

/**
 * What goes wrong, and when: at each call of these operations, unless `nth`, `every` or `chance` says at which. Calls are
 * counted when it is their turn; those that fail together with one before them are not.
 */
export interface FaultRule {
  readonly on: FaultTarget | readonly FaultTarget[]
  /** At this call only, from 1 on. */
  readonly nth?: number
  /** At each so many-th call. */
  readonly every?: number
  /** With this probability: more than 0, and up to 1. */
  readonly chance?: number
  /** What chance begins with: the same seed strikes the same calls. A whole number. Default 1. */
  readonly seed?: number
  /** How often at most. Default: without end. */
  readonly times?: number
  /** How much later it is done, in milliseconds of the clock that the store is opened with. */
  readonly delayMs?: number
  /** Nothing is done, and it rejects: with a `StoreFailed` of this code, or with this very error. */
  readonly fail?: FaultCode | Error
  /** It is done, and rejects all the same: with what `fail` says. Default `'STORE_FAILED'`. */
  readonly loseAnswer?: boolean
}

const names: readonly (keyof FaultRule)[] = [
  'on',
  'nth',
  'every',
  'chance',
  'seed',
  'times',
  'delayMs',
  'fail',
  'loseAnswer',
]

export const isWrite = (operation: StoreOperation): boolean =>
  operation === 'close' || (writes as readonly StoreOperation[]).includes(operation)

/** Whether there is such an operation: a store may have methods of its own. */
export const isOperation = (name: string): name is StoreOperation =>
  (operations as readonly string[]).includes(name) || name === 'close'

/** All that can be asked of a store that is bad: it can be closed. */
const operations: readonly StoreOperation[] = ['open', ...writes, ...reads]

/** @throws {InvalidOption} for what is no operation. */
export function checkTargets(on: FaultTarget | readonly FaultTarget[] = operations): ReadonlySet<StoreOperation> {
  const given: readonly FaultTarget[] = typeof on === 'string' ? [on] : on
  if (!Array.isArray(given) || given.length === 0) {
    throw new InvalidOption(`on is ${shown(on)}. Pass the name of an operation of a store, or an array of them.`)
  }
  return new Set(given.flatMap(operationsOf))
}

function operationsOf(target: FaultTarget): readonly StoreOperation[] {
  if (target === 'reads') return reads
  if (target === 'writes') return writes
  if (typeof target === 'string' && isOperation(target)) return [target]
  const known = ['reads', 'writes', ...operations, 'close'].join(', ')
  throw new InvalidOption(`${shown(target)} is no operation of a store. Pass one of: ${known}.`)
}

/** @throws {InvalidOption} for what is neither a code nor an error. */
export function checkFailure(fail: unknown): FaultCode | Error {
  if (fail instanceof Error || codes.includes(fail as FaultCode)) return fail as FaultCode | Error
  const remedy = `Pass an Error, or one of: ${codes.join(', ')}.`
  throw new InvalidOption(`A planned failure is ${shown(fail)}. ${remedy}`)
}

/** @throws {InvalidOption} for a rule that cannot be, or that would do nothing. */
export function checkRule(rule: FaultRule): FaultRule {
  checkObject('a rule of faulty()', rule)
  checkNames('a rule of faulty()', rule, names)
  const { on, fail, delayMs, loseAnswer } = rule
  if (on === undefined)
    throw new InvalidOption("A rule of faulty() has no 'on'. Say which operation: { on: 'append' }.")
  const targets = checkTargets(on)
  checkWhen(rule)
  if (fail !== undefined) checkFailure(fail)
  if (delayMs !== undefined) checkDurationMs('delayMs', delayMs)
  if (loseAnswer !== undefined && typeof loseAnswer !== 'boolean') {
    throw new InvalidOption(`loseAnswer is ${shown(loseAnswer)}. Pass true, or leave it out.`)
  }
  if (loseAnswer === true) checkCanLose(targets)
  if (fail !== undefined || delayMs !== undefined || loseAnswer === true) return rule
  throw new InvalidOption('A rule of faulty() does nothing. Give it fail, delayMs, or loseAnswer: true.')
}

function checkWhen({ nth, every, chance, seed, times }: FaultRule): void {
  const given = Object.entries({ nth, every, chance }).filter(([, value]) => value !== undefined)
  if (given.length > 1) {
    const [first, second] = given.map(([name]) => name)
    throw new InvalidOption(`A rule of faulty() has both ${first} and ${second}. Make it two rules.`)
  }
  for (const [name, value] of Object.entries({ nth, every, times })) if (value !== undefined) checkCount(name, value)
  if (nth !== undefined && times !== undefined) {
    throw new InvalidOption(`A rule of faulty() has nth, which is one call, and times. Leave one of them out.`)
  }
  if (chance !== undefined && !(typeof chance === 'number' && chance > 0 && chance <= 1)) {
    throw new InvalidOption(`chance is ${shown(chance)}. Pass a number that is more than 0, and not more than 1.`)
  }
  if (seed === undefined) return
  if (!Number.isSafeInteger(seed)) throw new InvalidOption(`seed is ${shown(seed)}. Pass a whole number.`)
  if (chance === undefined) throw new InvalidOption('A rule of faulty() has a seed, and no chance. Give it one.')
}

/** The answers that may get lost: of writes of which a rejection does not say, by the port, that nothing was done. */
function checkCanLose(targets: ReadonlySet<StoreOperation>): void {
  for (const target of targets) {
    if (target === 'settle' || target === 'claim') {
      const why = `where '${target}' rejects, nothing was done: a store that does not know has to find out first`
      throw new InvalidOption(`The answer of '${target}' cannot get lost: ${why}. Use fail, or lose that of 'append'.`)
    }
    if (isWrite(target) && target !== 'close') continue
    throw new InvalidOption(`To lose the answer of '${target}' is no other than to fail. Use fail.`)
  }
}
