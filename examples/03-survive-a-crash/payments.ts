import type { Payment } from './messages.ts'

const accounts = ['Ada', 'Ben', 'Claire', 'Dan']

/** What stands in the bank's file. */
export const payments: readonly Payment[] = Array.from({ length: 40 }, (_, index) => ({
  number: index + 1,
  account: accounts[index % accounts.length] ?? '',
  cents: (index + 1) * 100,
}))
