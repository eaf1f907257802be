import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, openSync, closeSync, readFileSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { postgres } from './postgres.ts'
import { killIn, pauseIn, resumeIn } from './processes.ts'

type Settings = Readonly<Record<string, string>>

export interface PrivatePostgresOptions {
  /** Beside what is in its configuration file; `{ fsync: 'off' }` makes it faster, and is for where it is never killed. */
  readonly settings?: Settings
  /** In which folder it makes its own, for instance on a small disk that is to be filled; the system's temporary one by default. */
  readonly parentFolder?: string
  /** The folder of `initdb` and `postgres`; the newest that is found by default. */
  readonly binaries?: string | undefined
}

/**
 * Starts a PostgreSQL that nobody else uses. It is ended, and its folder removed, when it is disposed of, and also when this process is
 * gone in any other way, killed with SIGKILL included: a watchdog, which is another process, waits for that.
 *
 * @throws Error - if none is installed, or it does not start; what it has logged is in the text.
 * @example
 * await using server = await privatePostgres({ settings: { max_connections: '10' } })
 * await server.kill()
 * await server.start()
 */
export async function privatePostgres(options: PrivatePostgresOptions = {}): Promise<PrivatePostgres> {
  const { settings = {}, parentFolder = tmpdir(), binaries = postgres.findBinaries(process.env) } = options
  if (binaries === undefined)
    throw new Error('No PostgreSQL is installed: see "How tests get their servers" in CONTRIBUTING.md.')
  const account = process.getuid?.() === 0 ? accountOf('postgres') : undefined
  const port = await freePort()
  const folder = mkdtempSync(join(realpathSync(parentFolder), 'iambus-postgres-'))
  if (account) chownSync(folder, account.uid, account.gid)
  const server = new PrivatePostgres({ folder, binaries, settings, port, account })
  try {
    await server.initialize()
    await server.start()
    return server
  } catch (error) {
    await server[Symbol.asyncDispose]()
    throw error
  }
}

interface Account {
  readonly uid: number
  readonly gid: number
}

interface Parts {
  readonly folder: string
  readonly binaries: string
  readonly settings: Settings
  readonly port: number
  /** Who runs it, unless it is whoever runs the tests. */
  readonly account: Account | undefined
}

/** A PostgreSQL of a test's own; the user is `postgres`, who needs no password. */
export class PrivatePostgres implements AsyncDisposable {
  /** The same one through all its lives. */
  readonly port: number
  readonly url: string
  /** What it was last started with. */
  settings: Settings
  /** Where all that is its own is. */
  readonly folder: string
  readonly #binaries: string
  readonly #watchdog: ChildProcess
  readonly #spawnOptions: SpawnOptions
  #process: ChildProcess | undefined

  constructor({ folder, binaries, settings, port, account }: Parts) {
    this.folder = folder
    this.#binaries = binaries
    this.settings = settings
    this.port = port
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`
    this.#watchdog = startWatchdog(folder)
    // In a session of its own: an interrupt from the terminal is for the tests, and what they then do to the server is theirs.
    this.#spawnOptions = { cwd: folder, detached: true, env: { PATH: process.env['PATH'], LC_ALL: 'C' }, ...account }
  }

  /** What it has logged, in all its lives. */
  get log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8')
  }

  /** Makes its files; once. */
  async initialize(): Promise<void> {
    const initdb = this.#spawn('initdb', ['-D', 'data', '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'])
    const [code] = (await once(initdb, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`initdb ended with ${code}:\n${this.log}`)
  }

  /**
   * Starts it, and waits until it accepts connections.
   *
   * @param settings - changes what it was last started with.
   */
  async start(settings: Settings = {}): Promise<void> {
    if (this.#process) throw new Error('It is running.')
    this.settings = { ...this.settings, ...settings }
    const all: Settings = {
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: this.folder,
      // In its folder, where nothing is left of it when that is removed.
      dynamic_shared_memory_type: 'mmap',
      ...this.settings,
    }
    const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const started = this.#spawn('postgres', ['-D', 'data', ...args])
    this.#process = started
    started.once('exit', () => {
      if (this.#process === started) this.#process = undefined
    })
    while (!this.#accepts(started)) {
      if (this.#process !== started) throw new Error(`The server does not start:\n${this.log}`)
      await delay(10)
    }
  }

  /** Stops it in its own way: `fast` ends all connections and writes a checkpoint, `immediate` writes nothing more. Goes on if paused. */
  async stop(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const running = this.#process
    if (!running) return
    const exited = once(running, 'exit')
    running.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    this.resume()
    await exited
  }

  /** Kills all its processes, none of which can do anything about it. */
  async kill(): Promise<void> {
    const running = this.#process
    if (!running) return
    const exited = once(running, 'exit')
    await killIn(this.folder)
    await exited
  }

  /** Halts all its processes: connections stay open, also new ones, and nobody answers. */
  async pause(): Promise<void> {
    await pauseIn(this.folder)
  }

  resume(): void {
    resumeIn(this.folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#watchdog.exitCode !== null) return
    const exited = once(this.#watchdog, 'exit')
    this.#watchdog.stdin?.end()
    const [code] = (await exited) as [number | null]
    if (code !== 0) throw new Error(`The watchdog of ${this.folder} ended with ${code}; it may not have cleaned up.`)
  }

  #spawn(name: string, args: string[]): ChildProcess {
    const log = openSync(join(this.folder, 'log'), 'a')
    const child = spawn(join(this.#binaries, name), args, { ...this.#spawnOptions, stdio: ['ignore', log, log] })
    closeSync(log)
    return child
  }

  /** Whether the file by which it says so is of this process; one that was killed has left its own behind. */
  #accepts({ pid }: ChildProcess): boolean {
    try {
      const lines = readFileSync(join(this.folder, 'data/postmaster.pid'), 'utf8').split('\n')
      return lines[0] === String(pid) && lines[7]?.trim() === 'ready'
    } catch {
      return false
    }
  }
}

function startWatchdog(folder: string): ChildProcess {
  const program = join(import.meta.dirname, 'watchdog.ts')
  const args = ['--experimental-strip-types', '--no-warnings', program, folder]
  return spawn(process.execPath, args, { detached: true, stdio: ['pipe', 'ignore', 'inherit'] })
}

/** PostgreSQL does not run as root; its package makes an account for it. */
function accountOf(name: string): Account {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`))
  if (line === undefined)
    throw new Error(`Root starts PostgreSQL as the user "${name}", whom this machine does not have.`)
  const [, , uid, gid] = line.split(':')
  return { uid: Number(uid), gid: Number(gid) }
}
