import { expect, onTestFinished, test } from 'vitest'
import { defineEvent, Dispatcher, type Notices } from '../../../src/index.ts'
import { postgres } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { silent } from '../../silent.ts'
import { fixture } from './open-store.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}

const url = await ownDatabase()

test.each([
  ['looks', 'delayed', 100],
  ['keeps house', 'cleared', 200],
] as const)(
  'what fails when a store %s by itself is a notice, with when it is tried again; and then goes on',
  async (_, table, delayMs) => {
    const on = await fixture(url)
    const store = postgres({ pool: on.pool, schema: on.schema, partitions: 1, leaseMs: 600, pollMs: 50 })
    const dp = new Dispatcher({ service: 'shop', store, logger: silent })
    onTestFinished(() => dp.stop({ deadlineMs: 1_000 }))
    dp.events.bind(Placed, () => {}, { name: 'look' })
    const failures: Notices['storeFailed'][] = []
    dp.observe('storeFailed', (notice) => void failures.push(notice))
    await dp.start()
    // What is done once, at a start, has been done then.
    await dp.publish(new Placed({ n: 0 }))
    await on.ask(`ALTER TABLE ${on.schema}.${table} RENAME TO other`)
    await dp.publish(new Placed({ n: 1 })).catch(() => {}) // It may wait behind what fails.
    const meant = (): unknown => failures.find(({ error }) => error.message.includes(`${table}"`))
    await expect.poll(meant, { timeout: 5_000 }).toMatchObject({
      handler: undefined,
      delayMs,
      error: { code: 'STORE_FAILED', message: expect.stringContaining('(42P01)') },
    })
    await on.ask(`ALTER TABLE ${on.schema}.other RENAME TO ${table}`)
    await dp.publish(new Placed({ n: 2 }))
    await expect
      .poll(async () => (await on.ask(`SELECT count(*)::int AS count FROM ${on.schema}.message`))[0], {
        timeout: 5_000,
      })
      .toEqual({ count: 0 })
  },
)
