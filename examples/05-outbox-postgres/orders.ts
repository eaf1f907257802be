import type { Dispatcher } from '@iambus/core'
import type { Pool } from 'pg'
import { OrderPlaced, StockReserved } from './messages.ts'

export const tables = `
  CREATE TABLE orders (id integer PRIMARY KEY, sku text NOT NULL, pieces integer NOT NULL, is_confirmed boolean DEFAULT false)`

export interface Order {
  readonly order: number
  readonly sku: string
  readonly pieces: number
}

/** The order and its event are one transaction: both are there, or neither is. */
export async function place(dp: Dispatcher, pool: Pool, { order, sku, pieces }: Order): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query('INSERT INTO orders (id, sku, pieces) VALUES ($1, $2, $3)', [order, sku, pieces])
    await dp.publish(new OrderPlaced({ order, sku, pieces }), { tx: client, key: sku })
    if (pieces > 9) throw new Error('too many pieces') // Found out late.
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

export function orders(dp: Dispatcher): void {
  dp.events.bind(
    StockReserved,
    ({ order }, { context }) =>
      context.commit(async (tx) => {
        await tx.query('UPDATE orders SET is_confirmed = true WHERE id = $1', [order])
      }),
    { name: 'confirm' },
  )
}
