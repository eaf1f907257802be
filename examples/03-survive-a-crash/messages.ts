import { defineEvent } from '@iambus/core'

export interface Payment {
  readonly number: number
  readonly account: string
  readonly cents: number
}

/** A line of the bank's file has been read. Its key is the account: the payments of one account keep their order. */
export class PaymentReceived extends defineEvent<Payment>('bank.payment-received') {}

/** A payment has been booked. It is caused in the transaction that booked it: there is none without the other. */
export class PaymentBooked extends defineEvent<{ number: number; account: string; balance: number }>(
  'bank.payment-booked',
) {}
