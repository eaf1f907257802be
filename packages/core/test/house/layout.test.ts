import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type SourceFile,
  consoleUses,
  drawerFolders,
  longFiles,
  misnamedFiles,
  ownCodeOfTheDoor,
  strangers,
  wrongImports,
} from './layout.ts'

const src = join(import.meta.dirname, '../../src')
const sources: SourceFile[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path: path.replaceAll('\\', '/'), text: readFileSync(join(src, path), 'utf8') }))

const file = (path: string, text = ''): SourceFile => ({ path, text })
const long = (path: string, lines: number): SourceFile => file(path, 'x\n'.repeat(lines))

describe('the sources of the library', () => {
  test('are found', () => expect(sources.length).toBeGreaterThan(0))
  test('import in one direction, and nothing but themselves and Node', () => expect(wrongImports(sources)).toEqual([]))
  test('all have a place in the journey', () => expect(strangers(sources)).toEqual([]))
  test('have a door that only passes on', () => expect(ownCodeOfTheDoor(sources)).toEqual([]))
  test('have no file over 300 lines', () => expect(longFiles(sources)).toEqual([]))
  test('have no folder that is a drawer', () => expect(drawerFolders(sources)).toEqual([]))
  test('have names in kebab case', () => expect(misnamedFiles(sources)).toEqual([]))
  test('write to the console only in the default logger', () => expect(consoleUses(sources)).toEqual([]))
})

describe('the check of import directions', () => {
  test.each([
    ['message/a.ts', `import { b } from '../routing/b.ts'`],
    ['routing/a.ts', `import type { B } from '../engine/b.ts'`],
    ['engine/a.ts', `export * from '../middleware/b.ts'`],
    ['engine/deep/a.ts', `const b = await import('../../delivery/b.ts')`],
    ['middleware/a.ts', `export type { B } from '../delivery/b.ts'`],
    ['delivery/a.ts', `type D = import('../dispatcher.ts').Dispatcher`],
    ['dispatcher.ts', `import { a } from './index.ts'`],
    ['errors.ts', `import { b } from './message/b.ts'`],
    ['errors.ts', `import { type A, b } from './message/b.ts'`],
    ['errors.ts', `import './message/b.ts'`],
    ['ports/a.ts', `import type { B } from '../routing/b.ts'`],
    ['engine/a.ts', `import { b } from 'left-pad'`],
    ['nowhere/a.ts', `import { b } from '../message/b.ts'`],
    ['memory/a.ts', `import type { B } from '../engine/b.ts'`],
    ['engine/a.ts', `import { b } from '../memory/b.ts'`],
    ['testing/conformance/deep/a.ts', `import { b } from '../../../memory/b.ts'`],
    ['testing/conformance/a.ts', `import type { B } from '../../engine/b.ts'`],
    ['testing/conformance/a.ts', `import { b } from '../b.ts'`],
    ['testing/a.ts', `import { b } from '../sqlite/b.ts'`],
    ['testing/a.ts', `import { b } from './conformance/b.ts'`],
    ['machine.ts', `import { b } from './testing/b.ts'`],
    ['machine.ts', `import { b } from './testing/conformance/b.ts'`],
    ['index.ts', `export { b } from './testing/b.ts'`],
    ['cron/a.ts', `import { b } from 'left-pad'`],
    ['cron/a.ts', `import { b } from '../delivery/b.ts'`],
    ['machine.ts', `import { b } from './cron/b.ts'`],
    ['index.ts', `export { b } from './cron/b.ts'`],
  ])('refuses, in %s, %s', (path, text) => {
    expect(wrongImports([file(path, text)])).toHaveLength(1)
  })

  test.each([
    ['routing/a.ts', `import { b } from '../message/b.ts'`],
    ['dispatcher.ts', `import { b } from './delivery/b.ts'`],
    ['message/a.ts', `import { b } from '../errors.ts'`],
    ['message/a.ts', `import { b } from './b.ts'`],
    ['errors.ts', `import type { B } from './message/b.ts'`],
    ['errors.ts', `import { type A, type B } from './message/b.ts'`],
    ['observe.ts', `import { b } from './ports/b.ts'`],
    ['engine/a.ts', `import { b } from 'node:fs'`],
    ['index.ts', `export { b } from './dispatcher.ts'`],
    ['memory/a.ts', `import type { B } from '../ports/b.ts'`],
    ['machine.ts', `import { b } from './memory/b.ts'`],
    ['testing/conformance/deep/a.ts', `import type { B } from '../../../ports/b.ts'`],
    ['testing/conformance/deep/a.ts', `import { b } from '../b.ts'`],
    ['testing/a.ts', `import { b } from '../dispatcher.ts'`],
    ['testing/simulate/a.ts', `import { b } from '../../memory/b.ts'`],
    ['cron/a.ts', `import { b } from 'croner'`],
    ['cron/a.ts', `import { b } from '../options.ts'`],
    ['message/a.test.ts', `import { b } from '../dispatcher.ts'`],
    ['message/a.ts', `// import { b } from '../dispatcher.ts'`],
  ])('lets pass, in %s, %s', (path, text) => {
    expect(wrongImports([file(path, text)])).toEqual([])
  })
})

describe('the other checks', () => {
  test('name a folder without a place in the journey', () => {
    expect(strangers([file('nowhere/a.ts'), file('message/a.ts')])).toEqual(['nowhere'])
  })

  test.each([`export const a = 1`, `import './a.ts'`, `const a = 1\nexport { a }`])(
    'refuse, in the door, %s',
    (text) => {
      expect(ownCodeOfTheDoor([file('index.ts', text)])).not.toEqual([])
    },
  )

  test('let the door pass on names, types and everything', () => {
    const text = `export { a } from './a.ts'\nexport type { B } from './b.ts'\nexport * from './c.ts'`
    expect(ownCodeOfTheDoor([file('index.ts', text)])).toEqual([])
  })

  test('count 300 lines as enough and 301 as too many, but not in tests', () => {
    expect(longFiles([long('a.ts', 300), long('b.ts', 301), long('c.test.ts', 301)])).toEqual(['b.ts has 301 lines'])
  })

  test('find a drawer at any depth', () => {
    expect(drawerFolders([file('engine/utils/a.ts'), file('utils.ts'), file('types/a.ts')])).toEqual([
      'engine/utils',
      'types',
    ])
  })

  test('find names that are not in kebab case', () => {
    const good = ['a-b.ts', 'engine/lanes.ts', 'a.test.ts', 'a.int.test.ts', 'a.test-d.ts', 'uuid7.ts'].map((path) =>
      file(path),
    )
    expect(misnamedFiles([...good, file('aB.ts'), file('engine/A.ts'), file('a_b.ts')])).toEqual([
      'aB.ts',
      'engine/A.ts',
      'a_b.ts',
    ])
  })

  test('find the console, but not in the default logger, in tests, in words', () => {
    const text = `console.log(1)`
    expect(consoleUses([file('engine/a.ts', text), file('engine/b.ts', 'const { log } = console')])).toHaveLength(2)
    expect(consoleUses([file('ports/logger.ts', text), file('a.test.ts', text), file('b.ts', `'console'`)])).toEqual([])
  })
})
