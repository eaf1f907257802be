import { IambusError } from '../../errors.ts'
import { isMessageOf } from '../harness/message-match.ts'
import { messageText } from '../harness/message-text.ts'
import type { RecordedMessage } from '../harness/recorded.ts'
import type { Expectation, Matching } from './expectation.ts'

/** What a scenario was found to be, and should not. */
export interface Fault {
  readonly text: string
  readonly cause?: unknown
  /** What a test runner can show side by side. */
  readonly compared?: { readonly expected: unknown; readonly actual: unknown } | undefined
}

/**
 * A scenario went otherwise than it was told. Its message says what was expected, what came nearest to it, and all that happened;
 * `tree` is the last alone. Where two messages can be compared, they are in `expected` and `actual`.
 */
export class ScenarioFailed extends IambusError {
  readonly tree: string
  readonly expected: unknown
  readonly actual: unknown

  constructor(faults: readonly Fault[], tree: string) {
    const list = faults.map(({ text }) => text).join('\n')
    const cause = faults.find((fault) => fault.cause !== undefined)?.cause
    super(
      'SCENARIO_FAILED',
      `${list}\n\nThis happened:\n${tree.replaceAll(/^/gm, '  ')}`,
      cause === undefined ? {} : { cause },
    )
    this.tree = tree
    const compared = faults.find((fault) => fault.compared !== undefined)?.compared
    this.expected = compared?.expected
    this.actual = compared?.actual
  }
}

/** What did not come, each with what came nearest to it: messages of its type that nothing else had expected. */
export function missingFaults({ missing, others }: Matching): Fault[] {
  return missing.map((expectation) => {
    const near = others.filter(({ message }) => isMessageOf(expectation.type, message))
    const text = `Expected ${expectation.text}, and it was not caused.`
    if (near.length === 0) return { text: `${text} Nothing of its type was.` }
    const list = near.map((one) => `  ${messageText(one.type, one.message)}`).join('\n')
    return { text: `${text} Of its type:\n${list}`, compared: comparedWith(expectation, near) }
  })
}

function comparedWith({ payload }: Expectation, [first]: readonly RecordedMessage[]): Fault['compared'] {
  if (payload === undefined || typeof first?.message !== 'object') return undefined
  const { message } = first
  const names = Object.keys(payload)
  const actual = Object.fromEntries(names.map((name) => [name, Reflect.get(message, name) as unknown]))
  return { expected: { ...payload }, actual }
}
