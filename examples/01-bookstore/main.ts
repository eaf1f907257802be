import { Dispatcher } from '@iambus/core'
import { sqlite } from '@iambus/core/sqlite'
import { join } from 'node:path'
import { catalog } from './catalog.ts'
import { HandlerTimes } from './handler-times.ts'
import { importBooks } from './import-books.ts'
import { search } from './search.ts'
import { statistics } from './statistics.ts'
import { summary } from './summary.ts'
import { TemporaryFolder } from './temporary-folder.ts'

// This example leaves nothing behind; a bookstore would keep its file, and go on where it was.
await using folder = await TemporaryFolder.make('bookstore-messages-')

// Stopped at the end of this file, or by Ctrl-C: what was accepted is handled, then what was opened is closed.
await using dp = new Dispatcher({
  store: sqlite(join(folder.path, 'bus.db')), // Without this line, the same in memory.
  shutdownSignals: ['SIGINT', 'SIGTERM'],
})

const times = new HandlerTimes()
dp.use(times.measure)
dp.mount(catalog)
dp.mount(search)
dp.mount(statistics)

await dp.start()
await dp.publish('on startup', { waitForResponse: true })

console.log('Importing books.csv:')
const rejected = await importBooks(dp, join(import.meta.dirname, 'books.csv'))

console.log(`\n${await summary(dp, { times, rejected })}`)
