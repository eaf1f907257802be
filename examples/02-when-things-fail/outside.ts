/** The services that the shop depends on. These stand in for them, and misbehave as the story wants it. */
export interface Outside {
  readonly warehouse: Warehouse
  readonly payments: Payments
  readonly mail: Mail
}

export class Warehouse {
  /** So many of the next calls get no answer. */
  silentFor = 0
  /** The titles of which a copy was put aside. */
  readonly reserved: string[] = []

  async reserve(title: string): Promise<void> {
    if (this.silentFor > 0) {
      this.silentFor -= 1
      throw new Error('The warehouse did not answer.')
    }
    this.reserved.push(title)
  }
}

export class ConnectionRefused extends Error {
  override readonly name = 'ConnectionRefused'
}

export class CardRefused extends Error {
  override readonly name = 'CardRefused'
}

const stolenCard = '4000000000000002'

export class Payments {
  /** So many of the next calls reach nobody. */
  awayFor = 0
  readonly charged: { readonly id: string; readonly amount: string }[] = []

  /** @throws {ConnectionRefused | CardRefused} */
  async charge({ id, card, amount }: { id: string; card: string; amount: string }): Promise<void> {
    if (this.awayFor > 0) {
      this.awayFor -= 1
      throw new ConnectionRefused('connect ECONNREFUSED payments.example:443')
    }
    if (!/^\d{16}$/.test(card)) throw new CardRefused(`${lastDigits(card)}: not a card number`)
    if (card === stolenCard) throw new CardRefused(`${lastDigits(card)}: reported stolen`)
    this.charged.push({ id, amount })
  }
}

/** What may be shown of a card number. */
export function lastDigits(card: string): string {
  return `**** ${card.slice(-4)}`
}

export class MailboxClosed extends Error {
  override readonly name = 'MailboxClosed'
}

export class Mail {
  readonly sent: { readonly to: string; readonly text: string }[] = []

  /** @throws {MailboxClosed} */
  async send(to: string, text: string): Promise<void> {
    if (to.startsWith('former-')) throw new MailboxClosed(`The mailbox ${to} was closed.`)
    this.sent.push({ to, text })
  }
}
