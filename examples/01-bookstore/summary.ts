import type { Dispatcher } from '@iambus/core'
import type { HandlerTimes } from './handler-times.ts'
import type { RejectedRow } from './import-books.ts'
import { type AuthorStatistics, BookQuery, CatalogQuery, StatisticsQuery } from './messages.ts'

const shownAuthors = 9
const widestBar = 44

/** What the modules have to tell in the end, as text. */
export async function summary(
  dp: Dispatcher,
  { times, rejected }: { readonly times: HandlerTimes; readonly rejected: readonly RejectedRow[] },
): Promise<string> {
  const authors = await dp.request(new StatisticsQuery())
  const onShelves = await dp.request(new CatalogQuery())
  const answers = await Promise.all(['sea', 'island', 'Brontë', 'the'].map((word) => answerOf(dp, word)))
  return [
    section('The bookstore', overview(authors, onShelves.length)),
    section(
      'Most books, with their years in the order of arrival',
      columns(authors.slice(0, shownAuthors).map(yearsOf)),
    ),
    section('Books per half century', columns(halfCenturies(authors))),
    ...answers,
    section('Time per handler', columns(timesOf(times))),
    section(`Rejected rows of books.csv: ${rejected.length}`, columns(rejected.map(reasonOf))),
  ].join('\n\n')
}

async function answerOf(dp: Dispatcher, word: string): Promise<string> {
  const books = await dp.request(new BookQuery({ word }))
  return section(
    `Books found by '${word}'`,
    columns(books.map(({ year, author, title }) => [`${year}`, author, title])),
  )
}

function overview(authors: readonly AuthorStatistics[], onShelves: number): string[] {
  const years = allYears(authors)
  const inOrder = authors.filter((author) => author.inOrder)
  return [
    `${years.length} books by ${authors.length} authors, from ${Math.min(...years)} to ${Math.max(...years)}`,
    `${onShelves} of them on the shelves of the catalog`,
    `${inOrder.length} of ${authors.length} authors with their books in the order of the file`,
  ]
}

function yearsOf({ author, books }: AuthorStatistics): string[] {
  return [author, `${books.length}`, books.map(({ year }) => year).join(' ')]
}

function halfCenturies(authors: readonly AuthorStatistics[]): string[][] {
  const years = allYears(authors)
  const counts = new Map<number, number>()
  for (let from = halfCenturyOf(Math.min(...years)); from <= Math.max(...years); from += 50) counts.set(from, 0)
  for (const year of years) counts.set(halfCenturyOf(year), (counts.get(halfCenturyOf(year)) ?? 0) + 1)
  const most = Math.max(...counts.values())
  return [...counts].map(([from, count]) => [
    `${from}-${from + 49}`,
    `${count}`.padStart(3),
    '█'.repeat(Math.ceil((count / most) * widestBar)),
  ])
}

function timesOf(times: HandlerTimes): string[][] {
  const cells = (calls: string, average: string, longest: string): string[] => [
    calls.padStart(5),
    average.padStart(10),
    longest.padStart(10),
  ]
  const shown = (timeMs: number): string => `${timeMs.toFixed(2)} ms`
  return [
    ['', ...cells('calls', 'average', 'longest')],
    ...times.all.map(({ handler, calls, totalMs, longestMs }) => [
      handler,
      ...cells(`${calls}`, shown(totalMs / calls), shown(longestMs)),
    ]),
  ]
}

function reasonOf({ line, reason }: RejectedRow): string[] {
  return ['line', `${line}`.padStart(3), reason]
}

function allYears(authors: readonly AuthorStatistics[]): number[] {
  return authors.flatMap(({ books }) => books.map(({ year }) => year))
}

function halfCenturyOf(year: number): number {
  return Math.floor(year / 50) * 50
}

/** Each column as wide as its widest cell. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widthOf = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widthOf(column))).join('  '))
}

function section(title: string, lines: readonly string[]): string {
  return [title, ...(lines.length === 0 ? ['none'] : lines).map((line) => `  ${line}`.trimEnd())].join('\n')
}
