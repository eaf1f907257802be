import type { Context } from '@iambus/core'
import type { TransferRequested } from './messages.ts'

/** What a handler needs of the accounts. */
export interface AccountsService {
  change(account: string, byEuros: number, changeId?: string): Promise<void>
}

interface Deps {
  readonly accounts: AccountsService
  readonly context: Context
}

/** Looks right, and passes its tests. */
export async function transfer({ from, to, euros }: TransferRequested, { accounts }: Deps): Promise<void> {
  await accounts.change(from, -euros)
  await accounts.change(to, euros)
}

/** Is right: a message that comes again has the same id, and by that the service knows what it has done already. */
export async function transferOnce({ from, to, euros }: TransferRequested, { accounts, context }: Deps): Promise<void> {
  await accounts.change(from, -euros, `${context.id} from`)
  await accounts.change(to, euros, `${context.id} to`)
}
