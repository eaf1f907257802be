import { Dispatcher, type DispatcherOptions, exponential, retry } from '@iambus/core'
import { TransferRequested } from './messages.ts'
import type { AccountsService, transfer } from './transfer.ts'

/** The bank: transfers are kept in the store until they are done, in the order of the account that pays. */
export function bank(options: DispatcherOptions, accounts: AccountsService, handler: typeof transfer): Dispatcher {
  const recover = retry({ attempts: 20, backoff: exponential() })
  const dp = new Dispatcher({ ...options, recover })
  dp.events.bind(TransferRequested, handler, { name: 'transfer', inject: { accounts } })
  return dp
}
