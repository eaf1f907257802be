// The process of one measurement: prints `{"value": <nanoseconds or bytes>}`. By hand, for a profile:
//   node --cpu-prof src/child.ts --group 1-request --name 'iambus request' --timed-ms 5000
import { parseArgs } from 'node:util'
import { Tally } from './case.ts'
import { findCase, loadGroup } from './groups.ts'
import { bytesPerCall, nsPerCall, type Pace } from './measure.ts'

const { values } = parseArgs({
  options: {
    group: { type: 'string', default: '' },
    name: { type: 'string', default: '' },
    variant: { type: 'string' },
    bytes: { type: 'boolean', default: false },
    'warm-up-ms': { type: 'string', default: '150' },
    'batch-ms': { type: 'string', default: '40' },
    'timed-ms': { type: 'string', default: '200' },
  },
})
const pace: Pace = {
  warmUpMs: Number(values['warm-up-ms']),
  batchMs: Number(values['batch-ms']),
  timedMs: Number(values['timed-ms']),
}
const allocationBatch = 10_000

const group = await loadGroup(values.group)
const { setup, handlers = 1 } = findCase(group, values.name, values.variant)
const tally = new Tally()
const subject = { run: await setup(tally), tally, handlers }

const value = values.bytes
  ? await bytesPerCall(subject, pace, group.batch ?? allocationBatch)
  : await nsPerCall(subject, pace, group.batch)
console.log(JSON.stringify({ value }))
process.exit()
