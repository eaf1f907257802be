// The program that `measure.ts` looks at: publishes one by one, and 64 at a time, and marks each resolution by write(2).
import { openSync, writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { defineEvent, Dispatcher } from '../../src/index.ts'
import { sqlite } from '../../src/sqlite/index.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

const [folder = '.', sync = 'full'] = process.argv.slice(2)
const path = join(folder, 'bus.db')
const marks = openSync(join(folder, 'marks'), 'a')
const mark = (what: string, publications = 0, groups = 0): void => {
  writeSync(marks, `${what} ${publications} ${groups}\n`)
}

const dp = new Dispatcher({ store: sqlite(path, { sync: sync === 'normal' ? 'normal' : 'full' }) })
// It holds its lane, and takes no more than the first: what is published is all that is written.
dp.events.bind(Placed, () => new Promise(() => {}), { name: 'a' })
await dp.start()
for (let order = 0; order < 400; order += 1) await dp.publish(new Placed({ order }), { key: 'k' })
const reader = new DatabaseSync(path, { readOnly: true })
/** The checkpoints' worker syncs too, and nothing tells when it has: in this time it has, or the counts show it. */
const othersAreQuiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200))
const turns = (): number => (reader.prepare('SELECT turn FROM iambus_log').get() as { turn: number }).turn

for (const [what, rounds, atATime] of [
  ['single', 200, 1],
  ['together', 20, 64],
] as const) {
  await othersAreQuiet()
  const before = turns()
  let publications = 0
  mark('begin', atATime)
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all(
      Array.from({ length: atATime }, async () => {
        await dp.publish(new Placed({ order: (publications += 1) }), { key: 'k' })
        mark('resolved')
      }),
    )
  }
  await othersAreQuiet()
  mark(what, publications, turns() - before)
}
process.exit()
