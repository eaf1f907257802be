import { memory } from '@iambus/core/memory'
import { testDispatcher } from '@iambus/core/testing'
import assert from 'node:assert/strict'
import { Accounts } from './accounts.ts'
import { bank } from './bank.ts'
import { TransferRequested } from './messages.ts'
import type { AccountsService, transfer } from './transfer.ts'

/** A test as one writes it: the money is taken here, and arrives there; and a service that fails once is asked again. */
export async function plainTest(handler: typeof transfer): Promise<void> {
  const accounts = new Accounts()
  let failures = 1
  const service: AccountsService = {
    change: async (...given) => {
      if (failures > 0) {
        failures -= 1
        throw new Error('the accounts are down')
      }
      accounts.change(...given)
    },
  }
  await using harness = testDispatcher({ store: memory(), make: (options) => bank(options, service, handler) })
  await harness.start()
  await harness.dp.publish(new TransferRequested({ from: 'anna', to: 'ben', euros: 30 }), { key: 'anna' })
  await harness.settled() // the second attempt takes no time
  assert.equal(harness.deliveries({ handler: 'transfer' })[0]?.outcome, 'done')
  assert.deepEqual([accounts.of('anna'), accounts.of('ben')], [70, 130])
}
