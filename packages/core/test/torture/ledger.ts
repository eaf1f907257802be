import { openSync, readFileSync, writeSync } from 'node:fs'

/** What a process wrote down before it was killed. `id` is the message's. */
export type Entry =
  /** A process is about to start its dispatcher, or has. */
  | { readonly is: 'opening' | 'up'; readonly run: number }
  /** A promise of `publish` was resolved. */
  | { readonly is: 'published'; readonly id: string; readonly key: string | null; readonly seq: number }
  | {
      readonly is: 'start'
      readonly handler: string
      readonly id: string
      readonly key: string | null
      readonly seq: number
    }
  /** A handler has returned (`ok`), or has thrown. */
  | { readonly is: 'end'; readonly handler: string; readonly id: string; readonly ok: boolean }
  /** `context.commit` was resolved, or the notice came that it is done: it is settled, and must not start again. */
  | { readonly is: 'settled'; readonly handler: string; readonly id: string }
  | { readonly is: 'dead'; readonly handler: string; readonly id: string }
  /** A notice that must not come. */
  | { readonly is: 'alarm'; readonly text: string }

/** Appends a line with one call of write(2): what was written is there, whatever kills the process next. */
export function ledgerAt<E = Entry>(path: string): (entry: E) => void {
  const file = openSync(path, 'a')
  return (entry) => {
    writeSync(file, `${JSON.stringify(entry)}\n`)
  }
}

export function readLedger<E = Entry>(path: string): E[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as E)
}
