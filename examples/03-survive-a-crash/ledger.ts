import { module } from '@iambus/core'
import { DatabaseSync } from 'node:sqlite'
import { PaymentBooked, PaymentReceived } from './messages.ts'

/** The ledger's own tables, in the file that the bus keeps its messages in. */
export function createTables(path: string): void {
  using database = new DatabaseSync(path)
  database.exec('CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, cents INTEGER NOT NULL)')
  database.exec('CREATE TABLE IF NOT EXISTS booking (number INTEGER NOT NULL, account TEXT NOT NULL)')
  database.exec('CREATE TABLE IF NOT EXISTS receipt (number INTEGER NOT NULL, balance INTEGER NOT NULL)')
}

/**
 * Books payments, and writes receipts. The handler changes a balance: done twice, or not at all, it would be wrong.
 *
 * `context.commit` writes the booking, that the delivery is done, and the event that it causes, in one transaction. Whenever
 * the process dies, all of that has happened, or nothing.
 *
 * @param beforeBooking is called in the middle of a booking.
 */
export const ledger = (beforeBooking: (number: number) => void) =>
  module('ledger', (m) => {
    m.events.bind(
      PaymentReceived,
      async ({ number, account, cents }, { context }) => {
        await context.commit((tx) => {
          const balance = tx
            .prepare(
              `INSERT INTO account VALUES (?, ?)
               ON CONFLICT DO UPDATE SET cents = cents + excluded.cents RETURNING cents`,
            )
            .get(account, cents) as { cents: number }
          beforeBooking(number)
          tx.prepare('INSERT INTO booking VALUES (?, ?)').run(number, account)
          context.publish(new PaymentBooked({ number, account, balance: balance.cents }))
        })
      },
      { name: 'book-payment' },
    )

    m.events.bind(
      PaymentBooked,
      async ({ number, balance }, { context }) => {
        await context.commit((tx) => tx.prepare('INSERT INTO receipt VALUES (?, ?)').run(number, balance))
      },
      { name: 'write-receipt' },
    )
  })
