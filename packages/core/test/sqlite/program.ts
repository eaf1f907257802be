// A program that works on a file of SQLite, and is killed or left to itself. It prints what is stored for good.
import { writeSync } from 'node:fs'
import { systemClock } from '../../src/ports/clock.ts'
import { sqlite } from '../../src/sqlite/sqlite.ts'

const [, , path = '', how] = process.argv
const say = (line: string): void => void writeSync(1, `${line}\n`)
const subscriptions = [{ name: 'events/a', formerly: [], types: ['t'], from: 'now' } as const]
const message = (id: string) => {
  return { id, type: 't', key: undefined, time: 0, envelope: '{}', body: 'x'.repeat(500), crc: 1, mayRepeat: false }
}

const open = await sqlite(path).open({ service: undefined, clock: systemClock, wake: () => {}, subscriptions })
say('open')
if (how === 'appends') {
  const [claim] = await open.claim()
  let count = 0
  const append = async (): Promise<void> => {
    for (;;) {
      const pair = [message(`${(count += 1)} first`), message(`${count} second`)]
      const id = `${count}`
      if (claim !== undefined && count % 3 === 0) await open.settle(claim, { caused: pair })
      else await open.append(pair)
      say(id)
    }
  }
  await Promise.all(Array.from({ length: 64 }, append))
}
if (how === 'stays open') setInterval(() => {}, 1_000)
if (how === 'ends without closing') {
  // Enough for a checkpoint in the thread for that.
  for (let n = 0; n < 40; n += 1) await open.append(Array.from({ length: 500 }, (_, m) => message(`${n} ${m}`)))
}
