// Counts, by strace, how often the disk is asked to keep what was written, and how often before a publish resolves:
//   node packages/core/test/full-sync/measure.ts [--sync normal]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { sync: { type: 'string', default: 'full' } } })
const folder = mkdtempSync(join(tmpdir(), 'iambus-syncs-'))
const trace = join(folder, 'trace')
const program = join(import.meta.dirname, 'publish.ts')
const strace = ['-f', '-y', '-o', trace, '-e', 'trace=fdatasync,fsync,write']
execFileSync('strace', [...strace, process.execPath, '--no-warnings', program, folder, values.sync], { stdio: 'pipe' })

let syncs = 0
let atATime = 0
/** How many syncs there had been when the last one was resolved that had to have one of its own. */
let syncsBefore = 0
let unsynced = 0
const counts: Record<string, { publications: number; transactions: number; syncs: number }> = {}
for (const line of readFileSync(trace, 'utf8').split('\n')) {
  if (/\b(fdatasync|fsync)\(\d+<[^>]*bus\.db-wal>/.test(line)) syncs += 1
  const [, what, ...numbers] = /write\(\d+<[^>]*marks>, "(\w+) (\d+) (\d+)\\n"/.exec(line) ?? []
  const [publications = 0, transactions = 0] = numbers.map(Number)
  if (what === 'begin') {
    syncs = syncsBefore = 0
    atATime = publications
  } else if (what === 'resolved') {
    if (syncs === syncsBefore) unsynced += 1
    if (atATime === 1) syncsBefore = syncs
  } else if (what !== undefined) counts[what] = { publications, transactions, syncs }
}
console.table(counts)
console.log(
  `${unsynced} publications were resolved without a sync after the one before, or, together, before the first.`,
)
rmSync(folder, { recursive: true })
