// `npm run bench:types`: how long the compiler takes for 500 message classes with handlers, over an empty project.
// `--rounds 9`: how often. `--only schemas`: a part of it. `--keep`: leaves the projects, and says where they are.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { generatedProject, type Payloads } from './generated-project.ts'
import { machine } from './machine.ts'
import { rangeOf, shownRange } from './ratios.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
  },
})
const messages = 500
const aimMs = 2_000
const compilers = {
  'TypeScript 7': ['typescript', 'bin/tsc'],
  'TypeScript 6': ['typescript-6', 'bin/tsc'],
} as const

function compileMs(folder: string, [name, bin]: readonly [string, string]): number {
  const script = join(import.meta.dirname, '../../node_modules', name, bin)
  const start = performance.now()
  const { status, stdout } = spawnSync(process.execPath, [script, '-p', folder], { encoding: 'utf8' })
  const took = performance.now() - start
  if (status !== 0) throw new Error(`The generated project does not compile:\n${stdout.slice(0, 2_000)}`)
  return took
}

console.log(
  `${messages} message classes with handlers, in ms: the median of ${values.rounds} rounds (lowest..highest).`,
)
console.log(`${machine()}\n`)
for (const payloads of (['types', 'schemas'] satisfies Payloads[]).filter((name) => name.includes(values.only))) {
  const [full, empty] = [generatedProject(messages, payloads), generatedProject(0, payloads)]
  for (const [title, compiler] of Object.entries(compilers)) {
    const times = { full: [] as number[], empty: [] as number[], over: [] as number[] }
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const emptyMs = compileMs(empty, compiler)
      const fullMs = compileMs(full, compiler)
      times.empty.push(Math.round(emptyMs))
      times.full.push(Math.round(fullMs))
      times.over.push(Math.round(fullMs - emptyMs))
    }
    const over = rangeOf(times.over)
    const met = over.median <= aimMs ? 'met' : 'NOT met'
    console.log(`${title}, payloads as ${payloads}:`)
    console.log(`  ${shownRange(rangeOf(times.full))}, empty ${shownRange(rangeOf(times.empty))}`)
    console.log(`  over the empty project: ${shownRange(over)}; at most ${aimMs}: ${met}`)
  }
  if (values.keep) console.log(`  ${full}\n  ${empty}`)
  else for (const folder of [full, empty]) rmSync(folder, { recursive: true, force: true })
}
