// `npm run bench`: measures every group and writes the tables into docs/benchmarks.md.
// `npm run bench -- --quick`, or `--only keyed`: a part of it, printed only. `--rounds 9`: how often.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { groupNames, loadGroup } from './groups.ts'
import { machine, versions } from './machine.ts'
import { measureGroup, type Plan } from './rounds.ts'
import { tableOf } from './table.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds is ${values.rounds}. Pass a whole number from 1 on.`)
const plan: Plan = {
  rounds,
  allocations: !values.quick,
  scale: values.quick ? 0.5 : 1,
}

const names = groupNames().filter((name) => name.includes(values.only ?? ''))
if (names.length === 0) throw new Error(`No group is like '${values.only}'. There are: ${groupNames().join(', ')}.`)
const tables: string[] = []
for (const name of names) {
  const group = await loadGroup(name)
  tables.push(tableOf(group, measureGroup(name, group, plan)))
}

const report = `# Benchmarks

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}; ${rounds === 1 ? '1 round' : `${rounds} rounds, 3 of what takes long`}.

- ${versions()}
- ${machine()}

How to read it: absolute figures move two- to threefold with the machine and its neighbours, so each figure is a **ratio of
speeds**: how many calls are made while the base of the table, measured in the same round, makes one. More is better. It is
the median over the rounds, with the lowest and the highest in parentheses. Where a column has a unit, or says what it is
compared with, it has the figure itself, and less is better. Every measurement has a process of its own,
warmed up; the order changes from round to round. *B* is how many bytes one call allocates on the heap, with its message.
A checksum proves after each batch that each handler has seen each message.

${tables.join('\n\n')}
`
console.log(report)
if (!values.quick && values.only === undefined) {
  const docs = join(import.meta.dirname, '../../docs')
  mkdirSync(docs, { recursive: true })
  writeFileSync(join(docs, 'benchmarks.md'), report)
}
