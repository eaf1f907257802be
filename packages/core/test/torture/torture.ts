import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { chanceOf } from './chance.ts'

/** How long a process may take to start, or to drain what is left, in milliseconds. */
const PATIENCE_MS = 60_000
/** How often draining may be ended by a poison message. */
const DRAINS = 100

export interface TortureOptions {
  readonly kills: number
  readonly seed: number
  /** Told after each kill. */
  readonly killed?: (count: number) => void
}

/** What there is to judge. */
export interface Torture {
  /** With `bus.db` and the `ledger` in it. */
  readonly folder: string
  /** How many processes ended by themselves, by a poison message. */
  readonly crashes: number
  /** What must not be: a process that did not start, or that ended with an error. */
  readonly faults: readonly string[]
}

/**
 * Has a process publish and handle messages over one file, and kills it, again and again; in the end, has one drain what is
 * left.
 */
export async function torture({ kills, seed, killed }: TortureOptions): Promise<Torture> {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-torture-'))
  const database = new DatabaseSync(join(folder, 'bus.db'))
  database.exec('CREATE TABLE effects (place INTEGER PRIMARY KEY AUTOINCREMENT, handler, id, key, seq)')
  database.close()
  const random = chanceOf(seed)
  const faults: string[] = []
  let crashes = 0
  for (let run = 1; run <= kills; run += 1) {
    const isEarly = random() < 0.15
    const afterMs = random() * (isEarly ? 60 : 300)
    const program = new Program(folder, ['--run', `${run}`, '--seed', `${Math.floor(random() * 2 ** 32)}`])
    await Promise.race([program.says(isEarly ? 'opening' : 'up'), program.ended])
    await Promise.race([delay(afterMs), program.ended])
    if (program.end === undefined) program.kill()
    else crashes += 1
    await program.ended
    faults.push(...program.faults)
    if (faults.length > 0) return { folder, crashes, faults }
    killed?.(run)
  }
  for (let drain = 1; drain <= DRAINS; drain += 1) {
    const program = new Program(folder, ['--run', `${kills + drain}`, '--drain'])
    await program.ended
    if (program.output.includes('drained')) return { folder, crashes, faults: program.faults }
    crashes += 1
    if (program.faults.length > 0) return { folder, crashes, faults: program.faults }
  }
  return { folder, crashes, faults: [`It was not drained after ${DRAINS} processes.`] }
}

class Program {
  readonly ended: Promise<void>
  /** How it ended. */
  end: string | undefined
  output = ''
  #errors = ''
  #isLate = false
  readonly #process
  readonly #timer

  constructor(folder: string, args: readonly string[]) {
    const flags = ['--experimental-strip-types', '--no-warnings', join(import.meta.dirname, 'program.ts')]
    const child = spawn(process.execPath, [...flags, '--folder', folder, ...args], { cwd: folder })
    this.#process = child
    this.#timer = setTimeout(() => {
      this.#isLate = true
      this.kill()
    }, PATIENCE_MS)
    child.stdout.on('data', (text) => {
      this.output += text
    })
    child.stderr.on('data', (text) => {
      this.#errors += text
    })
    this.ended = this.#end()
  }

  async #end(): Promise<void> {
    const [code, signal] = (await once(this.#process, 'close')) as unknown[]
    clearTimeout(this.#timer)
    this.end = String(signal ?? code)
  }

  async says(word: string): Promise<void> {
    while (!this.output.includes(word)) await once(this.#process.stdout, 'data')
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  get faults(): string[] {
    if (this.#isLate) return [`A process was still there after ${PATIENCE_MS} ms, and had said: ${this.output}`]
    const isMeant = ['SIGKILL', 'SIGABRT', '70'].includes(this.end ?? '') || this.output.includes('drained')
    return isMeant ? [] : [`A process ended with ${this.end}: ${this.#errors}`]
  }
}
