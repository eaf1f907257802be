import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Beside the sources, since a folder for temporary files may be in memory: then nothing waits for a disk. */
const root = join(import.meta.dirname, '../../node_modules/.cache/iambus-bench')

let folder: string | undefined
let count = 0

/** The path of a file that is not there yet, on the disk of this repository. It is removed when the process exits. */
export function freshFile(): string {
  if (folder === undefined) {
    mkdirSync(root, { recursive: true })
    const made = mkdtempSync(join(root, 'run-'))
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
    folder = made
  }
  count += 1
  return join(folder, `${count}.db`)
}
