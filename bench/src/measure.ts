import { GCProfiler } from 'node:v8'
import { type Run, sumTo, type Tally } from './case.ts'
import { median } from './ratios.ts'

/** A case that is set up, with what its runs are checked by. */
export interface Subject {
  readonly run: Run
  readonly tally: Tally
  readonly handlers: number
}

export interface Pace {
  readonly warmUpMs: number
  readonly batchMs: number
  readonly batches: number
}

/** The median over the batches of the nanoseconds that one call takes. */
export async function nsPerCall(subject: Subject, pace: Pace): Promise<number> {
  const n = (await warmUp(subject, pace.warmUpMs)) * pace.batchMs
  const batches = Array.from({ length: pace.batches }, () => Math.max(1, Math.round(n)))
  return timed(subject, batches)
}

/** The same for a batch of a fixed size, run once. */
export async function nsPerCallOf(subject: Subject, batch: number, pace: Pace): Promise<number> {
  await warmUp(subject, pace.warmUpMs, batch / 10)
  return timed(subject, [batch])
}

/** What one call allocates on the heap. To be run with a young generation that holds all of it. */
export async function bytesPerCall(subject: Subject, batch: number, pace: Pace): Promise<number> {
  await warmUp(subject, pace.warmUpMs, batch)
  collect()
  const collections = new GCProfiler()
  collections.start()
  const before = process.memoryUsage().heapUsed
  await counted(subject, batch)
  const bytes = process.memoryUsage().heapUsed - before
  if (collections.stop().statistics.length > 0) throw new Error(`Garbage was collected within ${batch} calls.`)
  return bytes / batch
}

async function timed(subject: Subject, batches: readonly number[]): Promise<number> {
  const times: number[] = []
  for (const n of batches) {
    collect()
    times.push((await counted(subject, n)) / n)
  }
  return median(times)
}

/** Runs ever larger batches, up to `limit`. Gives the calls per millisecond of the last one. */
async function warmUp(subject: Subject, ms: number, limit = Infinity): Promise<number> {
  const end = performance.now() + ms
  let n = 16
  let callsPerMs = 0
  do {
    callsPerMs = (n * 1e6) / (await counted(subject, n))
    n = Math.min(n * 2, callsPerMs * ms, limit)
    n = Math.max(1, Math.round(n))
  } while (performance.now() < end)
  return callsPerMs
}

/** Makes `n` calls, proves that each handler has seen each message, and gives the nanoseconds it took. */
async function counted({ run, tally, handlers }: Subject, n: number): Promise<number> {
  tally.reset()
  const start = process.hrtime.bigint()
  await run(n)
  const ns = Number(process.hrtime.bigint() - start)
  if (tally.count !== n * handlers || tally.sum !== sumTo(n) * handlers) {
    throw new Error(`${n} calls to ${handlers} handlers: they ran ${tally.count} times, with a sum of ${tally.sum}.`)
  }
  return ns
}

function collect(): void {
  if (globalThis.gc === undefined) throw new Error('Run it with --expose-gc.')
  globalThis.gc()
}
