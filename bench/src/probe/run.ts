import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Case } from './scenarios.ts'
import { readSeen } from './seen.ts'

/** What became of the process of one program. */
export interface Ran {
  readonly facts: ReadonlyMap<string, readonly string[]>
  readonly exit: string
  /** What it printed besides, without what differs from run to run. */
  readonly printed: readonly string[]
}

/** Runs a program in a process of its own. */
export function runCase(folder: string, { program, args = [] }: Case): Ran {
  const file = join(import.meta.dirname, folder, `${program}.ts`)
  const { NODE_OPTIONS: _, FORCE_COLOR: __, ...env } = process.env
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [file, ...args], {
    encoding: 'utf8',
    env: { ...env, NO_COLOR: '1' },
    timeout: 60_000,
  })
  const { facts, rest } = readSeen(stdout)
  return {
    facts,
    exit: status === null ? `killed by ${signal}` : String(status),
    printed: telling([...rest, ...stderr.split('\n')]),
  }
}

/** Lines that are part of a stack, or of the last words of Node.js. */
const noise = /^(\s|[\]})]|Node\.js v|$)/
/** Where Node.js found the error that ends the process: the next line is the program's own text. */
const place = /^(node|file):/

/** The lines that say what happened, without ids, process ids, times and places. */
function telling(lines: readonly string[]): string[] {
  return lines
    .filter((line, index) => !noise.test(line) && !place.test(line) && !place.test(lines[index - 1] ?? ''))
    .map((line) =>
      line
        .replace(/^\[Nest\] \d+ +- .+? {2,}(?=[A-Z]+ \[)/, '[Nest] ')
        .replace(/\(id [^)]+\)/, '(id ...)')
        .replace(/ \{$/, ''),
    )
}
