import { InvalidOption, shown } from '../../errors.ts'
import { type Fault, FAULTS, type PlannedFault } from './faults.ts'

/** One run: everything that happens in it follows from this. */
export interface Plan {
  readonly seed: number
  /** Which of the messages are given, by their place. Default: all of them. */
  readonly messages?: readonly number[]
  /** The faults that strike. Default: the seed decides. */
  readonly faults?: readonly PlannedFault[]
  /** Whether the steps are taken in the order in which they could be. Default: the seed decides. */
  readonly isCalm?: boolean
}

/** A plan in words: `42`, or `42 messages:0,2 faults:crash@12.0 calm`. */
export function planText({ seed, messages, faults, isCalm }: Plan): string {
  const words = [String(seed)]
  if (messages !== undefined) words.push(`messages:${messages.join(',')}`)
  if (faults !== undefined) {
    words.push(`faults:${faults.map(({ fault, step, detail }) => `${fault}@${step}.${detail}`).join(',')}`)
  }
  if (isCalm) words.push('calm')
  return words.join(' ')
}

/** @throws {InvalidOption} for what no simulation has printed. */
export function planOf(text: unknown): Plan {
  const [seed = '', ...words] = typeof text === 'string' ? text.split(' ') : []
  const plan: { -readonly [N in keyof Plan]: Plan[N] } = { seed: Number(seed) }
  const isPlan = /^\d+$/.test(seed) && words.every((word) => readWord(plan, word))
  if (isPlan) return plan
  throw new InvalidOption(`replay is ${shown(text)}. Pass what a failed simulation has printed, such as '42'.`)
}

function readWord(plan: { -readonly [N in keyof Plan]: Plan[N] }, word: string): boolean {
  const [name, list = ''] = word.split(':')
  const parts = list === '' ? [] : list.split(',')
  if (name === 'calm') plan.isCalm = true
  else if (name === 'messages') plan.messages = parts.map(Number)
  else if (name === 'faults') plan.faults = parts.map(faultOf)
  else return false
  const isNumber = (one: number): boolean => Number.isInteger(one)
  const areFaults = (plan.faults ?? []).every((one) => FAULTS.includes(one.fault) && isNumber(one.step + one.detail))
  return areFaults && (plan.messages ?? []).every(isNumber)
}

function faultOf(text: string): PlannedFault {
  const [fault = '', step, detail] = text.split(/[@.]/)
  return { fault: fault as Fault, step: Number(step), detail: Number(detail) } // Checked by whoever reads it.
}
