import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import type { Completion } from '@iambus/core/sqlite'
import { freshFile } from './fresh-file.ts'
import { inFlight } from './in-flight.ts'
import { durable, orderOf, storing, WIDTH } from './peers/durable.ts'

interface Preparing {
  readonly count: number
  /** How many of ten have one key; the others have 1,000 in turn. */
  readonly ofOneKey?: number
  /** Where they are to be finished: what becomes of them then. Else they are pending. */
  readonly completion?: Completion
}

/** A file with so many messages. A process of its own makes it, so that the one that measures has nothing of it in memory. */
export function prepared(preparing: Preparing): string {
  const path = freshFile()
  const given = JSON.stringify(preparing)
  const { status } = spawnSync(process.execPath, [import.meta.filename, '--path', path, '--preparing', given], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (status !== 0) throw new Error(`The file could not be prepared: ${given}. See above.`)
  return path
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { path: { type: 'string' }, preparing: { type: 'string' } } })
  await prepare(values.path ?? '', JSON.parse(values.preparing ?? '') as Preparing)
}

async function prepare(path: string, { count, ofOneKey = 0, completion }: Preparing): Promise<void> {
  const options = { sync: 'normal', ...(completion !== undefined && { completion }) } as const
  let handled = 0
  const all = Promise.withResolvers<void>()
  const handler = (): void => {
    handled += 1
    if (handled === count) all.resolve()
  }
  const dp =
    completion === undefined ? await storing({ path, options }) : await durable({ path, options, handlers: [handler] })
  const keyOf = (n: number): string => (n % 10 < ofOneKey ? 'one' : `key-${n % 1_000}`)
  await inFlight(WIDTH, count, (n) => dp.publish(orderOf(n), { key: keyOf(n) }))
  if (completion !== undefined) await all.promise
  await dp.stop()
}
