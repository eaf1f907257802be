import type { Dispatcher } from '@iambus/core'
import type { Completion } from '@iambus/core/sqlite'
import type { FigureRow, Group } from '../case.ts'
import { freshFile } from '../fresh-file.ts'
import { inFlight } from '../in-flight.ts'
import { ratioInTurn } from '../in-turn.ts'
import { durable, type Handle, orderOf, storing, toCompletion, WIDTH } from '../peers/durable.ts'
import { prepared } from '../prepared.ts'

const columns = ['`start()`, with its claim', '`publish`', '`publish` to completion']
const KEPT = 1_000_000
const BATCH = 4_096

const rows: readonly { readonly name: string; readonly completion: Completion }[] = [
  { name: 'kept for a century', completion: { keepMs: 100 * 365 * 86_400_000 } },
  { name: 'in the archive', completion: 'archive' },
]

async function comparing(completion: Completion): Promise<readonly number[]> {
  const paths = [prepared({ count: KEPT, completion }), freshFile()] as const
  const options = { completion }
  let handled = 0
  const handler: Handle = async ({ n }) => {
    if (n > 0) handled += 1
  }
  const [starting, emptyStarting] = paths.map((path) => async () => {
    const dp = await durable({ path, handlers: [handler], options })
    await dp.stop()
  }) as [() => Promise<void>, () => Promise<void>]
  const started = await ratioInTurn(starting, emptyStarting)

  const publishing = (dp: Dispatcher) => () => inFlight(WIDTH, BATCH, (n) => dp.publish(orderOf(n)))
  const [store, emptyStore] = [await storing({ path: paths[0], options }), await storing({ path: paths[1], options })]
  const published = await ratioInTurn(publishing(store), publishing(emptyStore))
  for (const dp of [store, emptyStore]) await dp.stop()

  const completing = async (path: string): Promise<() => Promise<void>> => {
    const dp = await durable({ path, handlers: [handler], options })
    await dp.publish(orderOf(0), { waitForResponse: true }) // And with it what was published above.
    return () => {
      handled = 0
      return toCompletion(dp, { count: BATCH, isHandled: () => handled === BATCH })
    }
  }
  const completed = await ratioInTurn(await completing(paths[0]), await completing(paths[1]))
  return [started, published, completed]
}

export default {
  title: 'Durable: with a million finished messages in the file',
  text: `How many times as long it takes as with a file that was empty, each in turn; full sync. Messages of 250 bytes, ${WIDTH} publications
in flight.`,
  rounds: 2,
  columns,
  rows: rows.map(({ name, completion }): FigureRow => ({ name, measure: () => comparing(completion) })),
  aims: rows.flatMap(({ name }) => columns.map((variant) => ({ name, variant, atMost: 1.2 }))),
} satisfies Group as Group
