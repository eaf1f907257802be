import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** The processes that work in a folder or below it. Whatever a server starts does, and a zombie does not. */
export function processesIn(folder: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((id) => Number.isInteger(id) && `${workingFolder(id)}/`.startsWith(`${folder}/`))
}

function workingFolder(id: number): string | undefined {
  try {
    return readlinkSync(`/proc/${id}/cwd`)
  } catch {
    // It is gone, or somebody else's.
    return undefined
  }
}

/** Ends all processes in a folder, those they start meanwhile too, by a signal that none can ignore. */
export async function killIn(folder: string): Promise<void> {
  await signalUntil(folder, 'SIGKILL', (ids) => ids.length === 0)
}

/** Halts all processes in a folder where they are. */
export async function pauseIn(folder: string): Promise<void> {
  await signalUntil(folder, 'SIGSTOP', (ids) => ids.every(isPaused))
}

/** Has the processes in a folder go on. */
export function resumeIn(folder: string): void {
  for (const id of processesIn(folder)) send(id, 'SIGCONT')
}

async function signalUntil(folder: string, signal: NodeJS.Signals, isDone: (ids: number[]) => boolean): Promise<void> {
  for (let ids = processesIn(folder); !isDone(ids); ids = processesIn(folder)) {
    for (const id of ids) send(id, signal)
    await delay(5)
  }
}

function send(id: number, signal: NodeJS.Signals): void {
  try {
    process.kill(id, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function isPaused(id: number): boolean {
  try {
    // The name, in parentheses, may have anything in it; the state is the letter behind it.
    return /\) T /.test(readFileSync(`/proc/${id}/stat`, 'utf8'))
  } catch {
    return true
  }
}
