import { Dispatcher } from '@iambus/core'
import { join } from 'node:path'
import { catalog } from './catalog.ts'
import { HandlerTimes } from './handler-times.ts'
import { importBooks } from './import-books.ts'
import { search } from './search.ts'
import { statistics } from './statistics.ts'
import { summary } from './summary.ts'

const times = new HandlerTimes()

// Stopped where this file ends: whatever was accepted is handled, and what was opened is closed.
await using dp = new Dispatcher()
dp.use(times.measure)
dp.mount(catalog)
dp.mount(search)
dp.mount(statistics)

await dp.start()
await dp.publish('on startup', { waitForResponse: true })

console.log('The catalog imports books.csv:')
const rejected = await importBooks(dp, join(import.meta.dirname, 'books.csv'))

console.log(await summary(dp, { times, rejected }))
