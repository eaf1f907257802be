import { setImmediate as turn } from 'node:timers/promises'
import type { FigureRow, Group } from '../case.ts'
import { inFlight } from '../in-flight.ts'
import { ratioInTurn } from '../in-turn.ts'
import { type Handle, orderOf, WIDTH } from '../peers/durable.ts'
import { FILLED, logOf, type Target } from '../peers/filled-postgres.ts'
import { durableIn, freshSchema, sweep, toCompletionIn } from '../peers/postgres.ts'

const columns = ['`start()`, with its claims, and `stop()`', '`publish`', '`publish` to completion']
const BATCH = 2_048
const name = `${FILLED.pending / 1e6} M wait for another handler, ${FILLED.archived / 1e6} M in the archive`

type Do = () => Promise<void>

async function comparing(): Promise<readonly number[]> {
  await sweep((await freshSchema()).pool)
  const targets = [await logOf(FILLED), await logOf(undefined)] as const
  const options = { completion: 'archive' } as const
  let handled = 0
  /** How many wait for the first handler in each log. */
  let published = 0
  const handler: Handle = async () => {
    handled += 1
  }
  const starting = (target: Target): Do => {
    return async () => (await durableIn(target, [handler], options)).stop()
  }
  const started = await ratioInTurn(starting(targets[0]), starting(targets[1]))

  const publishing = async (target: Target): Promise<{ readonly publish: Do; readonly stop: Do }> => {
    const dp = await durableIn(target, [], options)
    const publish = async (): Promise<void> => {
      await inFlight(WIDTH, BATCH, (n) => dp.publish(orderOf(n), { key: `key-${n % 64}` }))
      if (target === targets[0]) published += BATCH
    }
    return { publish, stop: () => dp.stop() }
  }
  const [full, empty] = [await publishing(targets[0]), await publishing(targets[1])]
  const publishedIn = await ratioInTurn(full.publish, empty.publish)
  await Promise.all([full.stop(), empty.stop()])

  const completing = async (target: Target): Promise<Do> => {
    handled = 0
    const dp = await durableIn(target, [handler], options)
    // What was published above.
    const hasCaughtUp = (): boolean => handled >= published
    while (!hasCaughtUp()) await turn()
    return () => {
      handled = 0
      return toCompletionIn(dp, { count: BATCH, width: WIDTH, isHandled: () => handled === BATCH })
    }
  }
  const completed = await ratioInTurn(await completing(targets[0]), await completing(targets[1]))
  return [started, publishedIn, completed]
}

export default {
  title: 'Postgres: with many messages in the log',
  text: `How many times as long it takes as with a log that is empty, each in turn; \`synchronous_commit\` on. ${WIDTH} publications
in flight. The other handler is not there; in both logs nothing is removed, since it has not finished it.`,
  rounds: 2,
  columns,
  rows: [{ name, measure: comparing } satisfies FigureRow],
  aims: columns.map((variant) => ({ name, variant, atMost: 1.3 })),
} satisfies Group as Group
