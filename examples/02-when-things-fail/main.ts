import type { DeadLetter } from '@iambus/core'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { bookshop } from './bookshop.ts'
import { BookPaid, OrderPlaced, StatementDue } from './messages.ts'
import { Mail, Payments, Warehouse } from './outside.ts'
import { printLetter, printLines, printOutcomes, printTitle } from './print.ts'
import { Tally } from './tally.ts'
import { printTimeline } from './timeline.ts'

const outside = { warehouse: new Warehouse(), payments: new Payments(), mail: new Mail() }
await using dp = bookshop(outside)
const tally = new Tally(dp)
printTimeline(dp)
await dp.start()

/** Publishes an event, and waits for what becomes of it at each handler. Nothing here waits for a time to pass. */
async function tell(name: string, event: OrderPlaced | BookPaid | StatementDue, key?: string): Promise<void> {
  // What the event causes has the same correlation id: by it, the timeline tells what belongs together.
  printOutcomes(name, await dp.publish(event, { key, correlationId: name, waitForResponse: true }))
  await nextTurn() // What it has caused has begun.
}

const austen = 'Jane Austen'
const bronte = 'Charlotte Brontë'
const card = '4242424242424242'
const persuasion = { title: 'Persuasion', author: austen, price: '7.50', customer: 'ada@mail.example', card }
const villette = { title: 'Villette', author: bronte, price: '9.00', customer: 'ben@mail.example', card }
// From France, where a price is written so.
const emma = { title: 'Emma', author: austen, price: '11,50', customer: 'claire@mail.example', card }
const middlemarch = {
  title: 'Middlemarch',
  author: 'George Eliot',
  price: '12.00',
  customer: 'former-dan@mail.example',
}
const mansfieldPark = { title: 'Mansfield Park', author: austen, amount: '6.20' }
const janeEyre = { title: 'Jane Eyre', author: bronte, amount: '8.10' }

console.log('A bookshop on a bad day: each line is a notice of the bus, or the outcome that a caller waited for.')

printTitle('1. The warehouse is silent twice: only its handler is tried again')
outside.warehouse.silentFor = 2
await tell('order 1', new OrderPlaced({ order: persuasion }))

printTitle('2. The payment service is away, for more calls than there are attempts: that burns none')
outside.payments.awayFor = 4
await tell('order 2', new OrderPlaced({ order: villette }))

printTitle('3. A sale cannot be entered: what comes later for its author waits behind it, other authors do not')
await tell('order 3', new OrderPlaced({ order: emma }))
await Promise.all([
  tell('counter 1', new BookPaid({ sale: mansfieldPark }), austen),
  tell('counter 2', new BookPaid({ sale: janeEyre }), bronte),
])
await tell('statement 1', new StatementDue({ author: austen }), austen)
await tell('statement 2', new StatementDue({ author: bronte }), bronte)

printTitle('4. A closed mailbox is left, by a rule; a stolen card is dead at once, since trying again is of no use')
await tell('order 4', new OrderPlaced({ order: { ...middlemarch, card: '4000000000000002' } }))

printTitle('5. The operator looks at the dead letters')
const { letters } = await dp.deadLetters.list()
for (const letter of letters) printLetter(letter)

printTitle('6. Two are edited and replayed: one has another card; behind the other, what was parked follows in order')
const [unpaid] = (await dp.deadLetters.list({ error: 'NON_RETRYABLE' })).letters
const [unentered] = (await dp.deadLetters.list({ handler: 'events/keep-account', key: austen })).letters
if (unpaid === undefined || unentered === undefined) throw new Error('The story should have left one of each.')
const paid = await dp.deadLetters.editAndReplay(
  unpaid.id,
  ({ envelope }: DeadLetter<OrderPlaced>) => ({
    message: new OrderPlaced({ order: { ...envelope.message.order, card } }),
  }),
  { waitForResponse: true },
)
printOutcomes('order 4', [paid])
const entered = await dp.deadLetters.editAndReplay(
  unentered.id,
  ({ envelope }: DeadLetter<BookPaid>) => {
    const { sale } = envelope.message
    return { message: new BookPaid({ sale: { ...sale, amount: sale.amount.replace(',', '.') } }) }
  },
  { waitForResponse: true },
)
printOutcomes('order 3', [entered])

await dp.stop() // Whatever still runs comes to its end.

printTitle('7. What came of it outside')
printLines([
  `copies put aside: ${outside.warehouse.reserved.join(', ')}`,
  `cards charged: ${outside.payments.charged.map(({ amount }) => amount).join('; ')}`,
  ...outside.mail.sent.map(({ to, text }) => `mail to ${to}: ${text}`),
])

printTitle('8. What the operator sees in the end')
printLines([...tally.lines, `${(await dp.deadLetters.list()).letters.length} dead letters are left`])
