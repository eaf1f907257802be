import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import * as errors from '../../src/errors.ts'
import * as storeErrors from '../../src/store-errors.ts'
import { channels } from '../../src/observe.ts'
import { sabotages } from '../conformance/sabotaged-stores.ts'
import { root, run } from './run.ts'

const learn = ['guide', 'contracts', 'failures', 'middleware', 'durability', 'time'].map(
  (name) => `docs/learn/${name}.md`,
)
const pages = ['README.md', ...learn, 'docs/testing.md', 'docs/adapters.md']

/** What snippets import besides the package: Node's types, schemas, and the optional peers. */
const linked = [
  '@types/node',
  'undici-types',
  'arktype',
  'valibot',
  'zod',
  'cockatiel',
  'croner',
  'rate-limiter-flexible',
]

interface Snippet {
  readonly title: string
  readonly file: string
  readonly text: string
  /** Whether Node runs it as it stands; one that it does not says why: ```` ```ts no-run: the reason ````. */
  readonly runs: boolean
}

const snippets = pages.flatMap((page) => snippetsOf(page, readFileSync(join(root, page), 'utf8')))

function snippetsOf(page: string, text: string): Snippet[] {
  return [...text.matchAll(/^```ts( no-run: .+)?\n([\s\S]*?)^```$/gm)].map((match, index) => {
    const line = text.slice(0, match.index).split('\n').length
    const file = `${basename(page, '.md').toLowerCase()}-${index + 1}.ts`
    return { title: `${page}:${line}`, file, text: match[2] ?? '', runs: match[1] === undefined }
  })
}

const guide = readFileSync(join(root, 'docs/learn/guide.md'), 'utf8')

describe('the tables of the guide name', () => {
  test('every notice, and none that there is not', () => {
    const named = [...guide.matchAll(/`iambus:(\w+)`/g)].map(([, name]) => name)
    expect(new Set(named)).toEqual(new Set(Object.keys(channels)))
  })

  test('every class of errors', () => {
    const classes = [...Object.values(errors), ...Object.values(storeErrors)].filter(
      ({ prototype }) => prototype instanceof errors.IambusError,
    )
    expect(classes.map(({ name }) => name).filter((name) => !guide.includes(`\`${name}\``))).toEqual([])
  })
})

test('the page about stores lists each one that was made faulty, and the case that finds it out', () => {
  const page = readFileSync(join(root, 'docs/adapters.md'), 'utf8')
  const [, table = ''] = page.split('| a store that | is found out by |\n')
  const rows = [...table.matchAll(/^\| (?!-)(.+?) +\| `(.+?)` +\|$/gm)].map(([, fault, caughtBy]) => ({
    fault,
    caughtBy,
  }))
  expect(rows).toEqual(sabotages.map(({ fault, caughtBy }) => ({ fault, caughtBy })))
})

/** The skeleton of a store, as a stranger has it who has copied it: its imports are of the package. */
function copySkeleton(project: string): void {
  const folder = join(root, 'packages/core/test/conformance/skeleton')
  mkdirSync(join(project, 'skeleton'))
  for (const file of readdirSync(folder)) {
    const text = readFileSync(join(folder, file), 'utf8')
      .replaceAll("'../../../src/testing/conformance/index.ts'", "'@iambus/core/testing/conformance'")
      .replaceAll(/'\.\.\/\.\.\/\.\.\/src\/.+'/g, "'@iambus/core'")
    writeFileSync(join(project, 'skeleton', file), text)
  }
}

/** Each snippet is a program of its own: some merge into the library's types. */
describe('the snippets of the documentation, in a project that has installed the package', () => {
  let project: string

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'iambus-docs-'))
    const write = (name: string, value: unknown): void => writeFileSync(join(project, name), JSON.stringify(value))
    write('package.json', { name: 'reader', private: true, type: 'module' })
    run(project, 'npm', 'install', '--offline', inject('tarball'))
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
    for (const name of linked) symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name))
    copySkeleton(project)
    const lib = ['es2024', 'esnext.disposable']
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2023',
      lib,
      allowImportingTsExtensions: true,
    }
    for (const { file, text } of snippets) {
      writeFileSync(join(project, file), text)
      write(`${file}.json`, { compilerOptions: { ...compilerOptions, noEmit: true, types: ['node'] }, files: [file] })
    }
  })

  afterAll(() => rmSync(project, { recursive: true, force: true }))

  test('there are some on each page', () => {
    for (const page of pages) expect(snippets.some(({ title }) => title.startsWith(page))).toBe(true)
  })

  test.each(snippets)('$title compiles', ({ file }) => {
    expect(run(project, join(root, 'node_modules/.bin/tsc'), '-p', `${file}.json`)).toBe('')
  })

  test.each(snippets.filter(({ runs }) => runs))('$title runs on Node 24 as it stands', ({ file }) => {
    expect(() => run(project, join(root, 'node_modules/node/bin/node'), file)).not.toThrow()
  })

  test('what the first one prints is what its text says', () => {
    const [first] = snippets
    const printed = run(project, join(root, 'node_modules/node/bin/node'), first?.file ?? '')
    expect(printed).toBe("Emma is there, by Jane Austen\n[ { title: 'Emma', year: 1815 } ]\n")
  })

  test('a name that was not merged into StringEvents does not compile', () => {
    const merged = snippets.find(({ text }) => text.includes('interface StringEvents'))
    writeFileSync(
      join(project, merged?.file ?? ''),
      merged?.text.replace("publish('on startup'", "publish('on-startup'") ?? '',
    )
    expect(() => run(project, join(root, 'node_modules/.bin/tsc'), '-p', `${merged?.file}.json`)).toThrow('on-startup')
  })
})
