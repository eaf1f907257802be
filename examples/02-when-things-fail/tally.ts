import type { DeliveryNotice } from '@iambus/core'
import { onNotice } from './notices.ts'

type State = 'open' | 'parked' | 'done' | 'skipped' | 'dead'

interface Counted {
  readonly handler: string
  state: State
  starts: number
}

/** Counts what became of every delivery, from its notices. */
export class Tally {
  #accepted = 0
  /** By handler and id of the message. */
  readonly #deliveries = new Map<string, Counted>()

  constructor() {
    onNotice('accepted', ({ handlers }) => {
      this.#accepted += handlers // One delivery for each.
    })
    onNotice('started', (notice) => {
      this.#of(notice).starts += 1
    })
    onNotice('succeeded', (notice) => this.#is('done', notice))
    onNotice('dropped', (notice) => this.#is('skipped', notice))
    onNotice('dead', (notice) => this.#is('dead', notice))
    onNotice('parked', (notice) => this.#is('parked', notice))
    onNotice('replayed', (notice) => this.#is('open', notice))
  }

  /** A line for each handler, and whether they account for everything that was accepted. */
  get lines(): string[] {
    const byHandler = Map.groupBy(this.#deliveries.values(), ({ handler }) => handler)
    const counts = countsOf([...this.#deliveries.values()])
    const missing = this.#accepted - counts.done - counts.skipped - counts.dead
    return [
      line('', ['deliveries', 'starts', 'done', 'skipped', 'dead']),
      ...[...byHandler]
        .sort(([a], [b]) => a.localeCompare(b, 'en'))
        .map(([handler, all]) => {
          const { starts, done, skipped, dead } = countsOf(all)
          return line(handler, [all.length, starts, done, skipped, dead])
        }),
      `${this.#accepted} deliveries were accepted: ${counts.done} done, ${counts.skipped} skipped, ` +
        `${counts.dead} dead, ${missing} unaccounted for`,
    ]
  }

  #is(state: State, notice: DeliveryNotice): void {
    this.#of(notice).state = state
  }

  #of({ handler, envelope }: DeliveryNotice): Counted {
    const key = `${handler} ${envelope.id}`
    const counted = this.#deliveries.get(key) ?? { handler, state: 'open', starts: 0 }
    this.#deliveries.set(key, counted)
    return counted
  }
}

function countsOf(all: readonly Counted[]): Record<State | 'starts', number> {
  const counts = { open: 0, parked: 0, done: 0, skipped: 0, dead: 0, starts: 0 }
  for (const { state, starts } of all) {
    counts[state] += 1
    counts.starts += starts
  }
  return counts
}

function line(name: string, cells: readonly (string | number)[]): string {
  return [name.padEnd(19), ...cells.map((cell) => `${cell}`.padStart(10))].join('')
}
