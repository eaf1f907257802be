// The process of one measurement: prints `{"value": <nanoseconds or bytes>}`. By hand, for a profile:
//   node --expose-gc --cpu-prof src/child.ts --group 1-request --name 'iambus request' --batch-ms 500
import { parseArgs } from 'node:util'
import { Tally } from './case.ts'
import { findCase, loadGroup } from './groups.ts'
import { bytesPerCall, nsPerCall, nsPerCallOf, type Pace } from './measure.ts'

const { values } = parseArgs({
  options: {
    group: { type: 'string', default: '' },
    name: { type: 'string', default: '' },
    variant: { type: 'string' },
    bytes: { type: 'boolean', default: false },
    'warm-up-ms': { type: 'string', default: '150' },
    'batch-ms': { type: 'string', default: '40' },
    batches: { type: 'string', default: '5' },
  },
})
const pace: Pace = {
  warmUpMs: Number(values['warm-up-ms']),
  batchMs: Number(values['batch-ms']),
  batches: Number(values.batches),
}
const allocationBatch = 10_000

const group = await loadGroup(values.group)
const { setup, handlers = 1 } = findCase(group, values.name, values.variant)
const tally = new Tally()
const subject = { run: await setup(tally), tally, handlers }

const value = values.bytes
  ? await bytesPerCall(subject, group.batch ?? allocationBatch, pace)
  : group.batch === undefined
    ? await nsPerCall(subject, pace)
    : await nsPerCallOf(subject, group.batch, pace)
console.log(JSON.stringify({ value }))
process.exit()
