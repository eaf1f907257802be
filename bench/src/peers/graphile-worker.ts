import type { Logger } from 'graphile-worker'
import { type Handle, orderOf } from './durable.ts'
import { freshSchema, sweep } from './postgres.ts'

/** Jobs of graphile-worker in a schema of its own; the worker as fast as its documentation says it can be made. */
export async function graphileWorker(): Promise<{
  readonly add: (n: number) => Promise<unknown>
  readonly addMany: (count: number) => Promise<void>
  readonly work: (handle: Handle) => Promise<void>
}> {
  const { makeWorkerUtils, run } = await import('graphile-worker')
  const { pool, schema } = await freshSchema()
  await sweep(pool)
  const utils = await makeWorkerUtils({ pgPool: pool, schema, logger: await silent() })
  await utils.migrate()
  return {
    add: (n) => utils.addJob('order', orderOf(n)),
    addMany: async (count) => {
      for (let n = 1; n <= count; n += 500) {
        const jobs = Array.from({ length: Math.min(500, count - n + 1) }, (_, index) => {
          return { identifier: 'order', payload: orderOf(n + index) }
        })
        await utils.addJobs(jobs)
      }
    },
    work: async (handle) => {
      await run({
        pgPool: pool,
        schema,
        noHandleSignals: true,
        logger: await silent(),
        taskList: { order: async (payload) => void (await handle(payload as ReturnType<typeof orderOf>)) },
        preset: {
          worker: {
            schema,
            concurrentJobs: 24,
            pollInterval: 100,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
      })
    },
  }
}

async function silent(): Promise<Logger> {
  const { Logger: Made } = await import('graphile-worker')
  return new Made(() => () => {})
}
