// The process of one measurement: prints `{"values": [<nanoseconds, bytes or figures>]}`. By hand, for a profile:
//   node --cpu-prof src/child.ts --group 1-request --name 'iambus request' --scale 20
import { parseArgs } from 'node:util'
import { type Group, type Pace, type SpeedGroup, Tally } from './case.ts'
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
console.log(JSON.stringify({ values: await measured(group, Number(values.scale)) }))
process.exit()

async function measured(of: Group, scale: number): Promise<readonly number[]> {
  if ('rows' in of) return findCase(of.rows, values.name, undefined).measure()
  if ('weights' in of) return [await findCase(of.weights, values.name, values.variant).weigh()]
  return [await speedOrBytes(of, scale)]
}

async function speedOrBytes(of: SpeedGroup, scale: number): Promise<number> {
  const { warmUpMs, batchMs, timedMs } = { ...usualPace, ...of.pace }
  const pace: Pace = { warmUpMs: warmUpMs * scale, batchMs, timedMs: timedMs * scale }
  const { setup, handlers = 1, batch = of.batch } = findCase(of.cases, values.name, values.variant)
  const tally = new Tally()
  const subject = { run: await setup(tally), tally, handlers }
  return values.bytes ? bytesPerCall(subject, pace, batch ?? allocationBatch) : nsPerCall(subject, pace, batch)
}
