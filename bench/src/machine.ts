import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'

interface Package {
  readonly version?: string
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** The machine in a few words. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const memoryGb = Math.round(totalmem() / 2 ** 30)
  return `${model}, ${availableParallelism()} cores, ${memoryGb} GB, ${type()} ${release()}`
}

/** What ran: Node, ours, and the peers in the versions that `package.json` pins; or those of them that are named. */
export function versions(names?: readonly string[]): string {
  const { devDependencies = {} } = read('package.json')
  const packages = Object.entries(devDependencies)
    .filter(([name]) => names?.includes(name) ?? true)
    .map(([name, version]) => `${name} ${version}`)
  return [`Node ${process.versions.node}`, ...packages].join(', ')
}

function read(path: string): Package {
  return JSON.parse(readFileSync(join(import.meta.dirname, '..', path), 'utf8')) as Package
}
