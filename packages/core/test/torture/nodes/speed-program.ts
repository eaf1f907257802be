// A node whose speed is measured: it handles until it is killed.
import { Dispatcher } from '../../../src/index.ts'
import { postgres } from '../../../src/postgres/index.ts'
import { Work } from './messages.ts'

const [, , connectionString = '', doing] = process.argv
const dp = new Dispatcher({ service: 'speed', store: postgres({ connectionString }) })
dp.events.bind(
  Work,
  async (_work, { context }) => {
    if (doing === 'plain') return
    await context.commit((tx) => tx.query('INSERT INTO effect VALUES ($1)', [context.id]))
  },
  { name: 'handles' },
)
await dp.start()
console.log('up')
// Whoever started it is gone.
process.stdin.resume().once('close', () => process.exit(1))
