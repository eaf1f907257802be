// Ends whatever works in the folder given, and removes the folder, when its standard input ends: when the process that has
// started it closes that, or is gone, in whatever way.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { killIn } from './processes.ts'

const [, , folder = ''] = process.argv

process.stdin.resume().on('end', () => void end())

async function end(): Promise<void> {
  await killIn(folder)
  freeSharedMemory(join(folder, 'data/postmaster.pid'))
  rmSync(folder, { recursive: true, force: true })
}

/** A PostgreSQL that was killed leaves a small segment of shared memory behind, which the next one in its folder would have removed. */
function freeSharedMemory(lockFile: string): void {
  if (!existsSync(lockFile)) return
  const id = /^ *\d+ +(\d+) *$/m.exec(readFileSync(lockFile, 'utf8'))?.[1]
  try {
    if (id !== undefined) execFileSync('ipcrm', ['-m', id], { stdio: 'ignore' })
  } catch {
    // Not there any more, or no such command: 56 bytes are not worth an error.
  }
}
