import type { Life } from './life.ts'
import type { StepFault } from './faults.ts'

/** Something that can happen next. */
export interface Step {
  /** Whose it is: when that node dies, it does not happen any more. Default: nobody's. */
  readonly life?: Life | undefined
  /** Those of one line happen in their order. Default: it is in no line. */
  readonly line?: object | undefined
  readonly take: () => void
  /** What may go wrong with it. Default: nothing. */
  readonly faults?: readonly StepFault[]
  /** Has it go wrong. */
  readonly strike?: (fault: StepFault) => void
}

/** What can happen next in a run, in the order in which it could. */
export class Steps {
  #all: Step[] = []

  add(step: Step): void {
    this.#all.push(step)
  }

  /** Resolves when this step is taken; never, if the node dies before. */
  until(life: Life): Promise<void> {
    return new Promise((resolve) => this.add({ life, take: resolve }))
  }

  /** Those that may be taken now. */
  get possible(): readonly Step[] {
    const lines = new Set<object>()
    return this.#all.filter(({ line }) => {
      if (line === undefined) return true
      const isFirst = !lines.has(line)
      lines.add(line)
      return isFirst
    })
  }

  /** Removes one: it is taken, or strikes. */
  remove(step: Step): void {
    this.#all.splice(this.#all.indexOf(step), 1)
  }

  /** Those of a line, which are removed. */
  removeLine(line: object): readonly Step[] {
    const removed = this.#all.filter((step) => step.line === line)
    this.#all = this.#all.filter((step) => step.line !== line)
    return removed
  }

  /** Nothing of this node happens any more. */
  removeOf(life: Life): void {
    this.#all = this.#all.filter((step) => step.life !== life)
  }
}
