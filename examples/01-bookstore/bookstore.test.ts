import { Dispatcher } from '@iambus/core'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { catalog } from './catalog.ts'
import { importBooks } from './import-books.ts'
import { BookQuery, StatisticsQuery } from './messages.ts'
import { readBook } from './read-book.ts'
import { search } from './search.ts'
import { statistics } from './statistics.ts'

const here = import.meta.dirname
// The tests may run on another Node: the example is for this one, as `npm start` is.
const node24 = join(here, '../../node_modules/node/bin/node')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bookstore-test-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the program', () => {
  const start = () =>
    spawnSync(node24, [join(here, 'main.ts')], {
      cwd: folder,
      // The shelves go into the folder for temporary files: this one, for the run.
      env: { ...process.env, TMPDIR: folder, TEMP: folder },
      encoding: 'utf8',
      timeout: 30_000,
    })
  let run: ReturnType<typeof start>
  beforeAll(() => {
    run = start()
  }, 60_000)

  test('ends by itself, with success', () => {
    expect(run).toMatchObject({ status: 0, signal: null })
  })

  test('prints what is expected, but for the times', async () => {
    // After a change that is meant: npx vitest run --project product examples/01-bookstore -u
    await expect(run.stdout.replaceAll(/ +\d+\.\d\d ms/g, ' # ms')).toMatchFileSnapshot('expected-output.txt')
  })

  test('has nothing to complain about', () => {
    expect(run.stderr).toBe('')
  })

  test('removes the shelves', () => {
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('a row', () => {
  test.each([
    ['Emma,Jane Austen,1815', { title: 'Emma', author: 'Jane Austen', year: 1815 }],
    [' Emma , Jane Austen , 1815 ', { title: 'Emma', author: 'Jane Austen', year: 1815 }],
    [
      '"The ""Genius"", a Novel",Theodore Dreiser,1915',
      { title: 'The "Genius", a Novel', author: 'Theodore Dreiser', year: 1915 },
    ],
  ])('is read: %s', (line, book) => {
    expect(readBook(line)).toEqual(book)
  })

  test.each([
    ['', '0 fields instead of 3'],
    ['Emma,1815', '2 fields instead of 3'],
    ['Emma,Jane,Austen,1815', '4 fields instead of 3'],
    [',Jane Austen,1815', 'no title'],
    ['Emma, ,1815', 'no author'],
    ['Emma,Jane Austen,', "the year '' is no whole number"],
    ['Emma,Jane Austen,18l5', "the year '18l5' is no whole number"],
    ['Emma,Jane Austen,1815.5', "the year '1815.5' is no whole number"],
    ['Emma,Jane Austen,9999', 'the year 9999 is in the future'],
    ['"Emma,Jane Austen,1815', 'a quote that does not belong there'],
    ['"Emma" again,Jane Austen,1815', 'a quote that does not belong there'],
  ])('is refused: %s (%s)', (line, reason) => {
    expect(() => readBook(line)).toThrow(new Error(reason))
  })
})

test('a bad row stops no other, nor does a book that is there already', async () => {
  const path = join(folder, 'books.csv')
  const rows = [
    'title,author,year',
    '"Emma,Jane Austen,1815',
    'Emma,Jane Austen,1815',
    'Emma,Jane Austen,1815',
    'Ulysses,James Joyce,1922',
  ]
  writeFileSync(path, `${rows.join('\r\n')}\r\n`)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})

  await using dp = new Dispatcher()
  for (const part of [catalog, search, statistics]) dp.mount(part)
  await dp.start()

  expect(await importBooks(dp, path)).toEqual([
    { line: 2, reason: 'a quote that does not belong there' },
    { line: 4, reason: 'the catalog has this book already' },
  ])
  expect(log).toHaveBeenCalledExactlyOnceWith('  4 of 4 rows')
  const emma = { title: 'Emma', author: 'Jane Austen', year: 1815 }
  const ulysses = { title: 'Ulysses', author: 'James Joyce', year: 1922 }
  expect(await dp.request(new BookQuery({ word: 'emma' }))).toEqual([emma])
  expect(await dp.request(new BookQuery({ word: 'Joyce' }))).toEqual([ulysses])
  expect(await dp.request(new StatisticsQuery())).toEqual([
    { author: 'James Joyce', books: [ulysses], inOrder: true },
    { author: 'Jane Austen', books: [emma], inOrder: true },
  ])
})
