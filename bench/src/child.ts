// The process of one measurement: prints `{"value": <nanoseconds or bytes>}`. By hand, for a profile:
//   node --cpu-prof src/child.ts --group 1-request --name 'iambus request' --scale 20
import { parseArgs } from 'node:util'
import { type Pace, Tally } from './case.ts'
import { findCase, loadGroup } from './groups.ts'
import { bytesPerCall, nsPerCall, usualPace } from './measure.ts'

const { values } = parseArgs({
  options: {
    group: { type: 'string', default: '' },
    name: { type: 'string', default: '' },
    variant: { type: 'string' },
    bytes: { type: 'boolean', default: false },
    /** How many times as long as usual. */
    scale: { type: 'string', default: '1' },
  },
})
const allocationBatch = 10_000

const group = await loadGroup(values.group)
const { warmUpMs, batchMs, timedMs } = { ...usualPace, ...group.pace }
const scale = Number(values.scale)
const pace: Pace = { warmUpMs: warmUpMs * scale, batchMs, timedMs: timedMs * scale }
const { setup, handlers = 1 } = findCase(group, values.name, values.variant)
const tally = new Tally()
const subject = { run: await setup(tally), tally, handlers }

const value = values.bytes
  ? await bytesPerCall(subject, pace, group.batch ?? allocationBatch)
  : await nsPerCall(subject, pace, group.batch)
console.log(JSON.stringify({ value }))
process.exit()
