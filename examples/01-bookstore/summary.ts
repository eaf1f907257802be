import type { Dispatcher } from '@iambus/core'
import type { HandlerTimes } from './handler-times.ts'
import type { RejectedRow } from './import-books.ts'
import { type AuthorStatistics, type Book, BookQuery, StatisticsQuery } from './messages.ts'

const shownAuthors = 9
const widestBar = 44

/** What the modules have to tell in the end, as text. */
export async function summary(
  dp: Dispatcher,
  { times, rejected }: { times: HandlerTimes; rejected: readonly RejectedRow[] },
): Promise<string> {
  const authors = await dp.request(new StatisticsQuery())
  const answers: string[] = []
  for (const word of ['sea', 'island', 'Brontë', 'the']) {
    const books = await dp.request(new BookQuery({ word }))
    answers.push(section(`Books with the word '${word}'`, books.map(bookLine)))
  }
  return [
    overview(authors),
    section('Most books, and their years as statistics heard of them', authors.slice(0, shownAuthors).map(authorLine)),
    section('Books per half century', bars(authors.flatMap(({ years }) => years))),
    ...answers,
    section('Time per handler', timeLines(times)),
    section(
      `${rejected.length} rows of books.csv were rejected`,
      rejected.map(({ line, reason }) => `line ${String(line).padStart(3)}  ${reason}`),
    ),
  ].join('\n')
}

function section(title: string, lines: readonly string[]): string {
  return `\n${title}\n${(lines.length === 0 ? ['none'] : lines).map((line) => `  ${line}\n`).join('')}`.trimEnd()
}

function overview(authors: readonly AuthorStatistics[]): string {
  const years = authors.flatMap((author) => author.years)
  const inOrder = authors.filter((author) => author.inOrder)
  return section('The bookstore', [
    `${years.length} books by ${authors.length} authors, written from ${Math.min(...years)} to ${Math.max(...years)}`,
    `${inOrder.length} of ${authors.length} authors have their books in the order of the file`,
  ])
}

function authorLine({ author, years }: AuthorStatistics): string {
  return `${author.padEnd(20)} ${years.length}  ${years.join(' ')}`
}

function bookLine({ title, author, year }: Book): string {
  return `${year}  ${author.padEnd(22)} ${title}`
}

function bars(years: readonly number[]): string[] {
  const counts = new Map<number, number>()
  for (let from = halfCentury(Math.min(...years)); from <= Math.max(...years); from += 50) counts.set(from, 0)
  for (const year of years) counts.set(halfCentury(year), (counts.get(halfCentury(year)) ?? 0) + 1)
  const most = Math.max(...counts.values())
  return [...counts].map(([from, count]) => {
    const bar = '█'.repeat(Math.ceil((count / most) * widestBar))
    return `${from}-${from + 49}  ${String(count).padStart(3)}  ${bar}`.trimEnd()
  })
}

function halfCentury(year: number): number {
  return Math.floor(year / 50) * 50
}

function timeLines(times: HandlerTimes): string[] {
  const header = `${''.padEnd(28)} calls      average      longest`
  return [
    header,
    ...times.all.map(({ handler, timesMs }) => {
      const averageMs = timesMs.reduce((sum, timeMs) => sum + timeMs, 0) / timesMs.length
      const calls = String(timesMs.length).padStart(5)
      return `${handler.padEnd(28)} ${calls} ${milliseconds(averageMs)} ${milliseconds(Math.max(...timesMs))}`
    }),
  ]
}

function milliseconds(timeMs: number): string {
  return `${timeMs.toFixed(2).padStart(9)} ms`
}
