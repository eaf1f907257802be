import { GCProfiler } from 'node:v8'
import { type Pace, type Run, sumTo, type Tally } from './case.ts'
import { median } from './ratios.ts'

/** A case that is set up, with what its runs are checked by. */
export interface Subject {
  readonly run: Run
  readonly tally: Tally
  readonly handlers: number
}

export const usualPace: Pace = { warmUpMs: 150, batchMs: 40, timedMs: 200 }

// Nowhere is garbage collected by force: that drops the hidden classes of which no object lives at the moment, and with
// them the compiled code that relies on them, so that what follows measures the compiler.

/** The nanoseconds that one call takes, as the median over batches of the size given, else of as many as take `batchMs`. */
export async function nsPerCall(subject: Subject, pace: Pace, batch?: number): Promise<number> {
  const callsPerMs = await warmUp(subject, pace.warmUpMs, batch)
  const n = batch ?? Math.max(1, Math.round(callsPerMs * pace.batchMs))
  const times: number[] = []
  const end = performance.now() + pace.timedMs
  do {
    times.push((await counted(subject, n)) / n)
  } while (performance.now() < end)
  return median(times)
}

/** What one call allocates on the heap. To be run with a young generation that holds a batch. */
export async function bytesPerCall(subject: Subject, pace: Pace, batch: number): Promise<number> {
  await warmUp(subject, pace.warmUpMs, batch)
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const collections = new GCProfiler()
    collections.start()
    const before = process.memoryUsage().heapUsed
    await counted(subject, batch)
    const bytes = process.memoryUsage().heapUsed - before
    if (collections.stop().statistics.length === 0) return bytes / batch
  }
  throw new Error(`Garbage is collected within ${batch} calls: allocations cannot be counted.`)
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
