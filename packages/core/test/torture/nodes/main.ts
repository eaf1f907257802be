// Several nodes over one PostgreSQL, killed, stopped and rolled. `--rounds 50 --seed 7`: how often, and how it is to go; the seed is
// printed. `--speed`: measures instead how many messages they handle.
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { gapsOf, shown } from './gaps.ts'
import { judge } from './judge.ts'
import { SETTINGS } from './settings.ts'
import { measure } from './speed.ts'
import { torture } from './torture.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string' },
    speed: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const seed = Number(values.seed ?? Date.now() % 1_000_000)
if (!Number.isInteger(rounds) || rounds < 0 || !Number.isInteger(seed)) throw new Error('Pass whole numbers.')

if (values.speed) await measure(console.log)
else await run()

async function run(): Promise<void> {
  console.log(`${rounds} rounds, seed ${seed}`)
  const start = performance.now()
  const ended = (round: number, fault: string): void =>
    console.log(`${((performance.now() - start) / 1_000).toFixed(0)} s: round ${round}, ${fault}`)
  const { folder, entries, facts, balancedMs, faults } = await torture({ rounds, seed, ended })
  const { broken, counts } = judge(entries, facts)
  const { takenMs, handledMs } = gapsOf(entries, facts)
  for (const [what, count] of Object.entries(counts)) console.log(`${what}: ${count}`)
  console.log(`From a kill to when another node has taken what the dead one had: ${shown(takenMs)}.`)
  console.log(`To the first message that waited there: ${shown(handledMs)}.`)
  console.log(`(A lease is ${SETTINGS.leaseMs} ms, and nodes look every ${SETTINGS.pollMs} ms.)`)
  console.log(`From a round's end to when every node has its share: ${shown(balancedMs)}.`)
  const all = [...faults, ...broken]
  for (const reason of all.slice(0, 20)) console.log(reason)
  if (all.length === 0) {
    rmSync(folder, { recursive: true })
    console.log('Every promise was kept.')
  } else {
    console.log(`${all.length} faults. The ledger and the facts are in ${folder}; the seed was ${seed}.`)
    process.exitCode = 1
  }
}
