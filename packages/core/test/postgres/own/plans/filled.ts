import type { Client } from 'pg'
import { quoted } from '../../../../src/postgres/schema.ts'

/** What a log has in it. Rows are short: it is their number that plans are made for. */
export const FILLED = {
  partitions: 16,
  /** Of each partition: finished, and kept; as many are in the archive. */
  kept: 62_500,
  /** Of each partition: waiting for the second subscription. */
  pending: 6_250,
  /** Of the partition {@link FILLED.hot}: waiting besides, all of one key. */
  ofOneKey: 900_000,
  hot: 3,
  /** Of each partition and subscription. */
  exceptions: 3_000,
  seen: 200_000,
  delayed: 100_000,
  deadLetters: 50_000,
} as const

/** The tables that grow with what a bus has to do, or has done. */
export const BIG: ReadonlySet<string> = new Set([
  'message',
  'archive',
  'exception',
  'cleared',
  'seen',
  'delayed',
  'dead_letter',
])

/** They have few rows; but their files are as large as they were when some transaction had been open for long. */
export const BLOATED: ReadonlySet<string> = new Set(['claim', 'tail', 'pruned'])

const columns = 'id, type, key, time, envelope, body, crc'
const values = (id: string, key = `'key-' || n % 1000`): string =>
  `${id}, 't', ${key}, (extract(epoch FROM now()) * 1000)::bigint, '{"correlationId":"c"}', '{"n":1}', 0`

/** Fills a log that was made for two subscriptions, of the ids 1 and 2: the first one has finished all of it. */
export async function fill(client: Client, name: string): Promise<void> {
  const schema = quoted(name)
  const { partitions, kept, pending, ofOneKey, hot, exceptions, seen, delayed, deadLetters } = FILLED
  const all = kept + pending
  const run = (text: string): Promise<unknown> => client.query(text)
  const series = (from: number, to: number): string => `generate_series(${from}, ${to}) AS n`
  const each = `generate_series(0, ${partitions - 1}) AS partition`
  for (const [table, to] of [
    ['message', all],
    ['archive', kept],
  ] as const) {
    await run(`INSERT INTO ${schema}.${table} (partition, position, ${columns})
      SELECT partition, n, ${values(`partition || '-' || n`)} FROM ${each}, ${series(1, to)}`)
  }
  await run(`INSERT INTO ${schema}.message (partition, position, ${columns})
    SELECT ${hot}, n, ${values(`'hot-' || n`, `'hot'`)} FROM ${series(all + 1, all + ofOneKey)}`)
  await run(`UPDATE ${schema}.tail SET tail = ${all} + CASE partition WHEN ${hot} THEN ${ofOneKey} ELSE 0 END`)
  await run(`UPDATE ${schema}.claim c SET cursor = t.tail, reach = t.tail FROM ${schema}.tail t
    WHERE c.partition = t.partition AND c.subscription = 1`)
  await run(`UPDATE ${schema}.claim SET cursor = ${kept}, reach = ${kept} WHERE subscription = 2`)
  // In one transaction: so none of it can be made room of before it has ended.
  await run(`DO $$ BEGIN FOR n IN 1..500 LOOP
    UPDATE ${schema}.claim SET held_until = held_until; UPDATE ${schema}.tail SET tail = tail;
    UPDATE ${schema}.pruned SET position = position;
  END LOOP; END $$`)
  await run(`INSERT INTO ${schema}.exception SELECT subscription, partition, ${kept} - n, 'key', 'retrying', 0, ''
    FROM generate_series(1, 2) AS subscription, ${each}, ${series(1, exceptions)}`)
  await run(`INSERT INTO ${schema}.cleared SELECT partition, ${kept} + n FROM ${each}, ${series(1, pending)}`)
  await run(`INSERT INTO ${schema}.seen SELECT 'seen-' || n, 4102444800000 + n FROM ${series(1, seen)}`)
  await run(`INSERT INTO ${schema}.delayed (partition, due_at, ${columns})
    SELECT n % ${partitions}, 4102444800000 + n, ${values(`'delayed-' || n`)} FROM ${series(1, delayed)}`)
  await run(`INSERT INTO ${schema}.dead_letter (letter_id, subscription, partition, ${columns}, correlation_id, error, attempts,
      died_at, is_replaying)
    SELECT 'letter-' || n, 'events/b', n % ${partitions}, ${values(`'dead-' || n`)}, 'c-' || n, '', '[]', n, false
      FROM ${series(1, deadLetters)}`)
}
