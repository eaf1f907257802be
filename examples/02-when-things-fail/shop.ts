import { type Context, discard, type Module, module, NonRetryable, Unavailable } from '@iambus/core'
import { BookPaid, OrderPlaced } from './messages.ts'
import {
  CardRefused,
  ConnectionRefused,
  type Mail,
  MailboxClosed,
  type Outside,
  type Payments,
  type Warehouse,
} from './outside.ts'

/** Knows nothing of attempts: that the warehouse is tried again is said where the handler is bound, or for all of them. */
function reserveCopy({ order }: OrderPlaced, { warehouse }: { warehouse: Warehouse }): Promise<void> {
  return warehouse.reserve(order.title)
}

function confirm({ order }: OrderPlaced, { mail }: { mail: Mail }): Promise<void> {
  return mail.send(order.customer, `Thank you for ordering ${order.title}.`)
}

/** Says what its errors mean: a service that is away burns no attempt; a card that is refused now is refused again. */
async function chargeCard(
  { order: { title, author, price, card } }: OrderPlaced,
  { payments, context }: { payments: Payments; context: Context },
): Promise<void> {
  try {
    // The id is the same in every attempt, and in a replay: by it the service can tell that it has charged already.
    await payments.charge({ id: context.id, card, amount: price })
  } catch (cause) {
    if (cause instanceof ConnectionRefused) throw new Unavailable('The payment service is away.', { cause })
    if (cause instanceof CardRefused) throw new NonRetryable(`${title} cannot be paid with this card.`, { cause })
    throw cause
  }
  context.publish(new BookPaid({ sale: { title, author, amount: price } }), { key: author })
}

/** Takes orders. What is not said here about failures holds for all handlers: see `bookshop.ts`. */
export function shop({ warehouse, payments, mail }: Outside): Module {
  return module('shop', (m) => {
    m.events.bind(OrderPlaced, reserveCopy, { name: 'reserve-copy', inject: { warehouse } })
    m.events.bind(OrderPlaced, confirm, {
      name: 'confirm',
      inject: { mail },
      recover: discard({ when: MailboxClosed }), // Whoever has no mailbox needs no mail.
    })
    m.events.bind(OrderPlaced, chargeCard, { name: 'charge-card', inject: { payments } })
  })
}
