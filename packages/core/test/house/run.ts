import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../../../..')

/** Runs a command and returns what it printed; when it fails, what it printed is in the error. */
export function run(cwd: string, command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    // Without a `cause`: it would be printed too, with the same text as bytes.
    // oxlint-disable-next-line eslint/preserve-caught-error
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}
