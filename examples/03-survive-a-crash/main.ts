// Starts the import twice: it kills itself in the middle of a payment, and finishes on the next start.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'survive-a-crash-'))
try {
  console.log('The first start, which dies in the middle of payment 16:')
  start('16')
  console.log('\nThe second start:')
  start()
} finally {
  rmSync(folder, { recursive: true })
}

function start(...diesAt: string[]): void {
  const { status, signal } = spawnSync(process.execPath, [join(import.meta.dirname, 'import.ts'), folder, ...diesAt], {
    stdio: 'inherit',
  })
  console.log(signal === null ? `  it ended with status ${status}` : `  it was killed by ${signal}`)
}
