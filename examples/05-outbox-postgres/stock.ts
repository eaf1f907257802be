import type { Dispatcher } from '@iambus/core'
import { OrderPlaced, StockReserved } from './messages.ts'

export const tables = `
  CREATE TABLE stock (sku text PRIMARY KEY, pieces integer NOT NULL);
  CREATE TABLE reservations (id serial PRIMARY KEY, order_id integer NOT NULL, sku text NOT NULL);
  INSERT INTO stock SELECT 'sku-' || n, 100 FROM generate_series(1, 24) AS n`

/** @param before called in the middle of each reservation. */
export function stock(dp: Dispatcher, before: () => void = () => {}): void {
  dp.events.bind(
    OrderPlaced,
    ({ order, sku, pieces }, { context }) =>
      // What is written here, that the delivery is done, and the event that it causes are one transaction.
      context.commit(async (tx) => {
        await tx.query('UPDATE stock SET pieces = pieces - $2 WHERE sku = $1', [sku, pieces])
        before()
        await tx.query('INSERT INTO reservations (order_id, sku) VALUES ($1, $2)', [order, sku])
        context.publish(new StockReserved({ order }))
      }),
    { name: 'reserve' },
  )
}
