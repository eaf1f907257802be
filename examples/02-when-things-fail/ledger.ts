import { type Module, module } from '@iambus/core'
import { BookPaid, type Sale, StatementDue } from './messages.ts'
import type { Mail, Outside } from './outside.ts'

/** The lines of each author's account. */
type Accounts = Map<string, readonly string[]>

/** One handler of two events: a statement stands in one lane with the sales that it is about. */
async function keepAccount(
  event: BookPaid | StatementDue,
  { accounts, mail }: { accounts: Accounts; mail: Mail },
): Promise<void> {
  const author = event instanceof BookPaid ? event.sale.author : event.author
  const lines = accounts.get(author) ?? []
  if (event instanceof BookPaid) accounts.set(author, [...lines, lineOf(event.sale, lines.length + 1)])
  else await mail.send(author, `Your sales: ${lines.join(', ')}.`)
}

function lineOf({ title, amount }: Sale, number: number): string {
  try {
    return `${number}. ${title} ${inPence(amount)}p`
  } catch (cause) {
    throw new Error(`${title} cannot be entered as sale ${number}.`, { cause })
  }
}

function inPence(amount: string): number {
  if (!/^\d+\.\d\d$/.test(amount)) throw new RangeError(`'${amount}' is no amount of pounds and pence, such as 7.50`)
  return Math.round(Number(amount) * 100)
}

/**
 * Keeps an account for each author, in the order of the sales. If one cannot be entered, the later ones of that author
 * must not go on without it, and no statement may leave it out: they are parked behind it.
 */
export function ledger({ mail }: Outside): Module {
  return module('ledger', (m) => {
    const accounts: Accounts = new Map()
    m.events.bind([BookPaid, StatementDue], keepAccount, {
      name: 'keep-account',
      inject: { accounts, mail },
      onDead: 'park',
    })
  })
}
