import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { root, run } from './run.ts'

const tarball = inject('tarball')

describe('the package', () => {
  test('depends on nothing', () => {
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'packages/core/package.json'), 'utf8'))
    expect(manifest).toHaveProperty('dependencies', {})
    expect(manifest).not.toHaveProperty('optionalDependencies')
  })

  test('has optional peers only', () => {
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(
      readFileSync(join(root, 'packages/core/package.json'), 'utf8'),
    ) as Record<string, object>
    const allOptional = Object.fromEntries(
      Object.keys(peerDependencies ?? {}).map((name) => [name, { optional: true }]),
    )
    expect(peerDependenciesMeta).toEqual(allOptional)
  })

  test('holds what runs, its types, its license, and neither tests nor sources', () => {
    const files = run(root, 'tar', '-tzf', tarball).trim().split('\n')
    expect(files).toEqual(
      expect.arrayContaining([
        'package/LICENSE',
        'package/README.md',
        'package/dist/index.js',
        'package/dist/index.d.ts',
        'package/dist/sqlite/index.js',
        'package/dist/sqlite/index.d.ts',
      ]),
    )
    expect(files.filter((file) => /\.test\b|\.test-d\b|\/src\/|(?<!\.d)\.ts$/.test(file))).toEqual([])
  })

  test('satisfies publint', () => {
    expect(() => run(root, 'npx', 'publint', 'run', tarball, '--strict')).not.toThrow()
  })

  test('has types that resolve as its code does', () => {
    expect(() => run(root, 'npx', 'attw', tarball, '--profile', 'esm-only')).not.toThrow()
  })
})

const program = `
import { Dispatcher, defineEvent, defineQuery, singleton } from '@iambus/core'

class Asked extends defineEvent<{ name: string }>('stranger.asked') {}
class Greeting extends defineQuery<{ name: string }, string>('stranger.greeting') {}

const dp = new Dispatcher()
const words = singleton('words', async () => ['hello'])
dp.events.bind(Asked, (event) => console.log('asked by ' + event.name))
dp.queries.bind(
  Greeting,
  async ({ name }, { words, context }) => {
    context.publish(new Asked({ name }))
    return words[0] + ', ' + name
  },
  { inject: { words } },
)
await dp.start()
const greeting: string = await dp.request(new Greeting({ name: 'stranger' }), { key: 'k' })
await dp.stop()
console.log(greeting)
`
const printed = 'asked by stranger\nhello, stranger'

const storing = `
import { DatabaseSync } from 'node:sqlite'
import type { NewMessage, StoreTransactions } from '@iambus/core'
import { sqlite, type SqliteOptions } from '@iambus/core/sqlite'

const options: SqliteOptions = { sync: 'normal', completion: 'archive' }
const clock = { now: () => Date.now(), after: (ms: number, run: () => void) => {
  const timer = setTimeout(run, ms)
  return { cancel: () => clearTimeout(timer) }
} }
const subscriptions = [{ name: 'events/a', formerly: [], types: ['t'], from: 'now' as const }]
const body = 'x'.repeat(1_000)
const message = (id: string): NewMessage => {
  return { id, type: 't', key: undefined, time: 0, envelope: '{}', body, crc: 1, mayRepeat: false }
}
const database: StoreTransactions['sqlite'] = new DatabaseSync(':memory:')
const own = sqlite({ database }).open({ service: 'stranger', clock, subscriptions, wake: () => {} })
await (await own).close()
database.close()
const open = await sqlite('stranger.db', options).open({ service: 'stranger', clock, subscriptions, wake: () => {} })
for (let n = 0; n < 100; n += 1) await open.append(Array.from({ length: 100 }, (_, m) => message(n + ' ' + m)))
console.log((await open.read(0, 9_998, 10)).map(({ position, id }) => position + ': ' + id).join())
console.log((await open.stats()).messages)
await open.close()
`
const stored = '9999: 99 98,10000: 99 99\n10000'

const compilerOptions = {
  strict: true,
  skipLibCheck: false,
  module: 'nodenext',
  target: 'es2023',
  lib: ['es2024', 'esnext.disposable'],
  outDir: 'out',
  types: ['node'],
  typeRoots: [join(root, 'node_modules/@types')],
}

describe("a stranger's project", () => {
  let project: string

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'iambus-stranger-'))
    const write = (name: string, value: unknown): void => writeFileSync(join(project, name), JSON.stringify(value))
    write('package.json', { name: 'stranger', private: true, type: 'module' })
    write('tsconfig.json', { compilerOptions, files: ['main.ts', 'store.ts'] })
    writeFileSync(join(project, 'main.ts'), program)
    writeFileSync(join(project, 'store.ts'), storing)
    run(project, 'npm', 'install', '--offline', tarball)
  })

  afterAll(() => rmSync(project, { recursive: true, force: true }))

  const node = (version: 'node' | 'node-22', file: string): string =>
    run(project, join(root, 'node_modules', version, 'bin/node'), file).trim()

  test('runs on Node 24 as it is written', () => {
    expect(node('node', 'main.ts')).toBe(printed)
    expect(node('node', 'store.ts')).toBe(stored)
  })

  test('compiles under strict, libraries checked too, and runs on Node 22.16', () => {
    run(project, join(root, 'node_modules/.bin/tsc'))
    expect(node('node-22', 'out/main.js')).toBe(printed)
    rmSync(join(project, 'stranger.db'))
    expect(node('node-22', 'out/store.js')).toBe(stored)
  })
})
