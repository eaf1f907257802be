import { defineEvent } from '@iambus/core'

export interface Order {
  readonly title: string
  readonly author: string
  /** In pounds and pence, as the country of the customer writes it. */
  readonly price: string
  /** An address for mail. */
  readonly customer: string
  /** The number of a credit card. It must not be kept. */
  readonly card: string
}

/** A book was ordered. Three handlers are told: each fails, and is tried again, for itself. */
export class OrderPlaced extends defineEvent<{ order: Order }>('shop.order-placed') {}

export interface Sale {
  readonly title: string
  readonly author: string
  /** In pounds and pence. */
  readonly amount: string
}

/** A book was paid for, by card or over the counter. Its key is the author: the sales of one author keep their order. */
export class BookPaid extends defineEvent<{ sale: Sale }>('shop.book-paid') {}

/** The author is to be told of all sales so far. Of the same key, it comes behind them. */
export class StatementDue extends defineEvent<{ author: string }>('ledger.statement-due') {}
