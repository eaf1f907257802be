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
    write('tsconfig.json', { compilerOptions, files: ['main.ts'] })
    writeFileSync(join(project, 'main.ts'), program)
    run(project, 'npm', 'install', '--offline', tarball)
  })

  afterAll(() => rmSync(project, { recursive: true, force: true }))

  const node = (version: 'node' | 'node-22', file: string): string =>
    run(project, join(root, 'node_modules', version, 'bin/node'), file).trim()

  test('runs on Node 24 as it is written', () => {
    expect(node('node', 'main.ts')).toBe(printed)
  })

  test('compiles under strict, libraries checked too, and runs on Node 22.16', () => {
    run(project, join(root, 'node_modules/.bin/tsc'))
    expect(node('node-22', 'out/main.js')).toBe(printed)
  })
})
