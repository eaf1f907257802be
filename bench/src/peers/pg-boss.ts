import { setImmediate as turn } from 'node:timers/promises'
import { type Handle, orderOf } from './durable.ts'
import { freshSchema, sweep, URL } from './postgres.ts'

/** A queue of pg-boss in a schema of its own. */
export async function pgBoss(): Promise<{
  readonly send: (n: number) => Promise<unknown>
  readonly work: (handle: Handle) => Promise<void>
  readonly insert: (count: number) => Promise<void>
}> {
  const { default: PgBoss } = await import('pg-boss')
  const { pool, schema } = await freshSchema()
  await sweep(pool)
  const boss = new PgBoss({
    connectionString: URL,
    schema: schema.slice(0, 20),
    max: 10,
    supervise: false,
    schedule: false,
  })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  await boss.createQueue('orders')
  return {
    send: (n) => boss.send('orders', orderOf(n)),
    insert: async (count) => {
      for (let n = 1; n <= count; n += 500) {
        const jobs = Array.from({ length: Math.min(500, count - n + 1) }, (_, index) => {
          return { name: 'orders', data: orderOf(n + index) }
        })
        await boss.insert(jobs)
      }
    },
    work: async (handle) => {
      await boss.work<ReturnType<typeof orderOf>>(
        'orders',
        { batchSize: 500, pollingIntervalSeconds: 0.5 },
        async (jobs) => {
          for (const { data } of jobs) await handle(data)
          await turn()
        },
      )
    },
  }
}
