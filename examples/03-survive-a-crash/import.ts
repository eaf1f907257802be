// `node import.ts <folder> [number]`: imports the bank's file, or finishes an import that was interrupted. It kills itself in
// the middle of the payment with this number.
import { Dispatcher } from '@iambus/core'
import { sqlite } from '@iambus/core/sqlite'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { booked } from './booked.ts'
import { createTables, ledger } from './ledger.ts'
import { PaymentReceived } from './messages.ts'
import { payments } from './payments.ts'

const [folder = '.', diesAt] = process.argv.slice(2)
const path = join(folder, 'bank.db')
const isFirst = !existsSync(path)
createTables(path)
printBooked()

const dp = new Dispatcher({ store: sqlite(path), logger: { debug() {}, info() {}, warn() {}, error: print } })
dp.mount(
  ledger((number) => {
    if (`${number}` === diesAt) process.kill(process.pid, 'SIGKILL')
  }),
)

dp.observe('suspects', () =>
  console.log('  what may have been running when the process died is run again, one at a time'),
)

const allReceipts = Promise.withResolvers<void>()
let receipts = isFirst ? 0 : booked(path).receipts
dp.observe('succeeded', ({ handler }) => {
  if (handler === 'events/write-receipt') receipts += 1
  if (receipts === payments.length) allReceipts.resolve()
})
if (receipts === payments.length) allReceipts.resolve()

await dp.start()
if (isFirst) {
  // With an id of its own, a payment that is published again would not be booked again.
  await Promise.all(
    payments.map((payment) =>
      dp.publish(new PaymentReceived(payment), { key: payment.account, id: `payment-${payment.number}` }),
    ),
  )
  console.log(`  ${payments.length} payments are published: each is on disk`)
}
await allReceipts.promise
await dp.stop()
console.log('  every payment is booked, and every receipt is written')
printBooked()

function printBooked(): void {
  const { bookings, accounts } = booked(path)
  console.log(`  in the ledger: ${bookings} bookings`)
  for (const { name, cents, numbers } of accounts) {
    console.log(`    ${name.padEnd(6)} ${(cents / 100).toFixed(2).padStart(6)}  payments ${numbers}`)
  }
}

function print(_fields: object, text: string): void {
  console.log(`  ! ${text}`)
}
