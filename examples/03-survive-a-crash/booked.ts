import { DatabaseSync } from 'node:sqlite'

export interface Booked {
  readonly bookings: number
  readonly receipts: number
  /** With the numbers of its payments, in the order in which they were booked. */
  readonly accounts: readonly { readonly name: string; readonly cents: number; readonly numbers: string }[]
}

/** What has been booked, as whoever reads the file sees it. */
export function booked(path: string): Booked {
  using database = new DatabaseSync(path, { readOnly: true })
  const count = (table: string): number =>
    (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n
  const accounts = database.prepare(`
    SELECT name, cents, (
      SELECT group_concat(number, ' ') FROM (SELECT number FROM booking WHERE account = name ORDER BY rowid)
    ) AS numbers
    FROM account ORDER BY name`)
  return {
    bookings: count('booking'),
    receipts: count('receipt'),
    accounts: accounts.all() as unknown as Booked['accounts'], // As the statement says.
  }
}
