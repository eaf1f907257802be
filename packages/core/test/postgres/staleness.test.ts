import { Pool } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { postgres } from '../../src/postgres/index.ts'
import type { OpenStore, Subscription } from '../../src/ports/store.ts'
import { ownDatabase } from '../servers/own-database.ts'
import { opening, ownSchema, patient } from './faults/open-store.ts'

const pool = new Pool({ connectionString: await ownDatabase() })
afterAll(() => pool.end())

const events = (name: string): Subscription => ({ name: `events/${name}`, formerly: [], types: ['t'], from: 'now' })
const openOn = (schema: string, ...names: string[]): Promise<OpenStore> =>
  postgres({ pool, schema, ...patient, partitions: 16 }).open(opening(...names.map(events)))

async function hadAt(schema: string): Promise<number> {
  const { rows } = await pool.query(`SELECT had_at FROM ${schema}.subscription WHERE name = 'events/gone'`)
  return Number(rows[0].had_at)
}

test('an orphan is found with when a node had it last (S7)', async () => {
  const schema = ownSchema()
  await (await openOn(schema, 'stays', 'gone')).close()
  const since = await hadAt(schema)
  const store = await openOn(schema, 'stays')
  expect(store.findings).toContainEqual({ kind: 'orphan', subscription: 'events/gone', pending: 0, since })
  await store.close()
})

test('while any node has it, the one that keeps house writes so down', async () => {
  const schema = ownSchema()
  const housekeeper = await openOn(schema, 'stays')
  const other = await openOn(schema, 'gone')
  await pool.query(`UPDATE ${schema}.subscription SET had_at = 0`)
  await housekeeper.renew?.([])
  await expect.poll(() => hadAt(schema), { timeout: 5_000 }).toBeGreaterThan(0)
  await Promise.all([housekeeper.close(), other.close()])
})

test('a node that has slept for so long that it was forgotten has its share again when it wakes', async () => {
  const schema = ownSchema()
  const [sleeper, other] = [await openOn(schema, 'stays'), await openOn(schema, 'stays')]
  await pool.query(`DELETE FROM ${schema}.member; DELETE FROM ${schema}.member_subscription`)
  const claims = await other.claim()
  await other.renew?.(claims, [])
  expect((await other.renew?.(claims, []))?.handOver).toEqual([])
  await sleeper.renew?.([], [])
  const { handOver = [] } = (await other.renew?.(claims, [])) ?? {}
  await other.release(handOver)
  expect([(await sleeper.claim()).length, claims.length]).toEqual([8, 16])
  await Promise.all([sleeper.close(), other.close()])
})
