// Keeps a PostgreSQL busy for long, and looks whether its tables stay as they are. `--minutes 60 --rate 500 --naptime 60`.
import { parseArgs } from 'node:util'
import { churn, head } from './churn.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '500' },
    naptime: { type: 'string', default: '60' },
  },
})
const [minutes, rate, naptimeS] = [Number(values.minutes), Number(values.rate), Number(values.naptime)]
if (!(minutes > 0 && rate > 0 && naptimeS > 0)) throw new Error('Pass numbers.')
console.log(`${minutes} minutes, ${rate} messages a second in each of two logs, autovacuum every ${naptimeS} s`)
console.log(head)
const { faults, handled, published } = await churn({ minutes, rate, naptimeS, say: console.log })
console.log(`${published} were published, and ${handled} deliveries handled.`)
for (const fault of faults.slice(0, 20)) console.log(fault)
console.log(faults.length === 0 ? 'All is bounded.' : `${faults.length} faults.`)
if (faults.length > 0) process.exitCode = 1
