// Orders and stock in one database, two nodes, of which one is killed. It takes a PostgreSQL: IAMBUS_POSTGRES_URL says where.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, Pool } from 'pg'
import { nodeOf } from './node.ts'
import { place, tables as orderTables } from './orders.ts'
import { tables as stockTables } from './stock.ts'

const server = process.env['IAMBUS_POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const database = `outbox_example_${process.pid}`
const url = new URL(server)
url.pathname = database

const admin = new Client({ connectionString: server })
await admin.connect()
await admin.query(`CREATE DATABASE ${database} TEMPLATE template0`)
try {
  await run(url.href)
} finally {
  await admin.query(`DROP DATABASE ${database} WITH (FORCE)`)
  await admin.end()
}

async function run(connectionString: string): Promise<void> {
  const pool = new Pool({ connectionString })
  pool.on('error', () => {}) // Of idle connections: the server ends them with the database, if they are not closed by then.
  await pool.query(`${orderTables}; ${stockTables}`)
  const first = nodeOf(connectionString)
  await first.start()
  const second = fork(join(import.meta.dirname, 'node.ts'), [connectionString])
  const death = once(second, 'exit')
  await once(second, 'message')
  console.log('Two nodes have started.')
  await until(pool, 'SELECT count(DISTINCT node) = 2 FROM iambus.claim') // They share the work.

  let refused = 0
  for (let order = 1; order <= 200; order += 1) {
    const pieces = order % 20 === 0 ? 10 : 1 + (order % 3)
    await place(first, pool, { order, sku: `sku-${1 + (order % 24)}`, pieces }).catch(() => (refused += 1))
  }
  console.log(`200 orders were placed; ${refused} of them were rolled back, with their events.`)

  const [, signal] = (await death) as [number | null, string | null]
  console.log(`The second node was ended by ${signal}, in the middle of a reservation.`)

  await until(pool, 'SELECT count(*) = 0 FROM orders WHERE NOT is_confirmed')
  await first.stop()
  const { rows } = await pool.query(`
    SELECT (SELECT count(*) FROM orders)::int AS orders, count(*)::int AS reservations, count(DISTINCT order_id)::int AS reserved,
      (SELECT sum(100 - pieces) FROM stock)::int AS taken, (SELECT sum(pieces) FROM orders)::int AS ordered,
      bool_and(order_id > before) AS in_order
    FROM (SELECT order_id, coalesce(lag(order_id) OVER (PARTITION BY sku ORDER BY id), 0) AS before FROM reservations) AS r`)
  const { orders, reservations, reserved, taken, ordered, in_order: inOrder } = rows[0]
  console.log(`The first one has taken over: ${orders} orders, ${reservations} reservations of ${reserved} orders.`)
  console.log(`${ordered} pieces were ordered, and ${taken} were taken from the stock.`)
  console.log(`Reserved in the order of each article: ${inOrder}.`)
  await pool.end()
}

/** Asks again and again, until the answer is yes. */
async function until(pool: Pool, question: string): Promise<void> {
  for (;;) {
    const { rows } = await pool.query({ text: question, rowMode: 'array' })
    if (rows[0]?.[0] === true) return
    await pause(50)
  }
}
