// `npm run compare`: does the same with each bus, and writes what came of it into docs/comparison.md.
// `npm run compare -- --print`: prints it only.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { report } from './report.ts'

const { values } = parseArgs({ options: { print: { type: 'boolean', default: false } } })
const text = report()
if (values.print) process.stdout.write(text)
else writeFileSync(join(import.meta.dirname, '../../../docs/comparison.md'), text)
