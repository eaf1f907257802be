import { freshFile } from '../fresh-file.ts'
import { type Handle, orderOf } from './durable.ts'

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: console.error }

/** A queue in a file, as its README has it, and a worker for each handler: each has jobs of its own, and works until it has had `count`. */
export async function withPlainjob(handlers: readonly Handle[]): Promise<(count: number) => Promise<void>> {
  const { default: Database } = await import('better-sqlite3')
  const { better, defineQueue, defineWorker } = await import('plainjob')
  const queue = defineQueue({ connection: better(new Database(freshFile())), logger })

  const work = async (handler: Handle, type: string, count: number): Promise<void> => {
    let left = count
    const worker = defineWorker(
      type,
      async ({ data }) => {
        await handler(JSON.parse(data) as Parameters<Handle>[0])
        left -= 1
        if (left === 0) void worker.stop()
      },
      { queue, logger },
    )
    await worker.start()
  }
  return async (count) => {
    for (let n = 1; n <= count; n += 1) for (const index of handlers.keys()) queue.add(`order-${index}`, orderOf(n))
    await Promise.all(handlers.map((handler, index) => work(handler, `order-${index}`, count)))
  }
}
