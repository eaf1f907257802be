import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'

const PATIENCE_MS = 60_000

export interface NodeOptions {
  readonly url: string
  readonly ledger: string
  readonly seed: number
}

/** A process that publishes and handles: `program.ts`. */
export class Node {
  readonly name: string
  /** Resolves when it is there; or not, and has ended. */
  readonly up: Promise<void>
  readonly ended: Promise<void>
  isPaused = false
  /** What must not be: that it ended with an error, or not at all. */
  fault: string | undefined
  readonly #process: ChildProcess
  #said = ''
  #errors = ''
  #isMeant = false

  constructor(name: string, { url, ledger, seed }: NodeOptions) {
    this.name = name
    const flags = ['--experimental-strip-types', '--no-warnings', join(import.meta.dirname, 'program.ts')]
    const args = ['--url', url, '--ledger', ledger, '--node', name, '--seed', `${seed}`]
    // Types are stripped once for all of them: they start three times as fast.
    const env = { ...process.env, NODE_COMPILE_CACHE: join(dirname(ledger), 'compiled') }
    const child = spawn(process.execPath, [...flags, ...args], { env })
    this.#process = child
    child.stdout.on('data', (text) => (this.#said += text))
    child.stderr.on('data', (text) => (this.#errors += text))
    // What is said to one that is gone is for nobody.
    child.stdin.on('error', () => {})
    this.ended = this.#end()
    this.up = Promise.race([this.#says('up'), this.ended])
  }

  async #end(): Promise<void> {
    const [code, signal] = (await once(this.#process, 'close')) as [number | null, string | null]
    if (!this.#isMeant || (signal === null && !this.#said.includes('stopped'))) {
      this.fault ??= `${this.name} ended with ${String(signal ?? code)}: ${this.#errors}`
    }
  }

  async #says(word: string): Promise<void> {
    while (!this.#said.includes(word)) await once(this.#process.stdout as NodeJS.ReadableStream, 'data')
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  say(command: 'quiet' | 'heal' | 'replay' | 'last'): void {
    this.#process.stdin?.write(`${command}\n`)
  }

  async kill(): Promise<void> {
    this.#isMeant = true
    this.#process.kill('SIGKILL')
    await this.ended
  }

  pause(): void {
    this.#process.kill('SIGSTOP')
    this.isPaused = true
  }

  resume(): void {
    this.#process.kill('SIGCONT')
    this.isPaused = false
  }

  /** Has it stop in its own way. */
  async stop(): Promise<void> {
    this.#isMeant = true
    this.#process.kill('SIGTERM')
    const timer = setTimeout(() => {
      this.fault = `${this.name} has not stopped for ${PATIENCE_MS} ms, and had said: ${this.#said}${this.#errors}`
      this.#process.kill('SIGKILL')
    }, PATIENCE_MS)
    await this.ended
    clearTimeout(timer)
  }
}
