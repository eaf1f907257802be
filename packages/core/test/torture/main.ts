// `npm run torture`: kills a process over one file, again and again, and holds what it promised against what is there.
// `-- --kills 200 --seed 7`: how often, and how it is to go; the seed is printed.
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { judge } from './judge.ts'
import { torture } from './torture.ts'

const { values } = parseArgs({ options: { kills: { type: 'string', default: '200' }, seed: { type: 'string' } } })
const kills = Number(values.kills)
const seed = Number(values.seed ?? Date.now() % 1_000_000)
if (!Number.isInteger(kills) || kills < 0 || !Number.isInteger(seed)) throw new Error('Pass whole numbers.')

console.log(`${kills} kills, seed ${seed}`)
const start = performance.now()
const killed = (count: number): void => {
  if (count % 20 === 0) console.log(`${count} kills, ${((performance.now() - start) / 1_000).toFixed(0)} s`)
}
const { folder, crashes, faults } = await torture({ kills, seed, killed })
if (faults.length > 0) fail(faults)
else {
  const { broken, published, starts, effects, deadLetters } = await judge(folder)
  console.log(`${published} publications were resolved, and ${crashes} processes ended by a poison message;`)
  console.log(`${starts} starts of handlers, ${effects} effects, ${deadLetters} dead letters.`)
  if (broken.length > 0) fail(broken)
  else {
    rmSync(folder, { recursive: true })
    console.log('Every promise was kept.')
  }
}

function fail(reasons: readonly string[]): void {
  for (const reason of reasons.slice(0, 20)) console.log(reason)
  console.log(`${reasons.length} faults. The file and the ledger are in ${folder}.`)
  process.exitCode = 1
}
