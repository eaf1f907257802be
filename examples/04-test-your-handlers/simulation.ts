import { simulate, type SimulationReport } from '@iambus/core/testing'
import { Accounts } from './accounts.ts'
import { bank } from './bank.ts'
import { TransferRequested } from './messages.ts'
import type { transfer } from './transfer.ts'

const requested = (from: string, to: string, euros: number): TransferRequested =>
  new TransferRequested({ from, to, euros })

/** Runs the bank as production may: it crashes, calls fail, answers get lost, messages come twice. */
export function simulation(handler: typeof transfer, seeds: number): Promise<SimulationReport> {
  return simulate(({ options, world, remote }) => bank(options, remote('accounts', world), handler), {
    seeds,
    world: () => new Accounts(),
    messages: [
      [requested('anna', 'ben', 30), { id: 'transfer-1', key: 'anna' }],
      [requested('ben', 'anna', 5), { id: 'transfer-2', key: 'ben' }],
    ],
    invariant: ({ world, messages, isSettled }) => {
      if (!isSettled) return
      for (const account of ['anna', 'ben']) {
        const due = balance(account, messages as readonly TransferRequested[])
        if (world.of(account) !== due)
          throw new Error(`${account} has ${world.of(account)} euros, and should have ${due}`)
      }
    },
  })
}

/** What is on an account when each transfer was made once. */
function balance(account: string, transfers: readonly TransferRequested[]): number {
  let euros = 100
  for (const { from, to, euros: moved } of transfers) {
    if (from === account) euros -= moved
    if (to === account) euros += moved
  }
  return euros
}
