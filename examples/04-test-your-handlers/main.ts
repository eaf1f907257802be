// A transfer of money that looks right: its tests pass. A simulation finds what is wrong with it.
import { SimulationFailed } from '@iambus/core/testing'
import { plainTest } from './plain-test.ts'
import { simulation } from './simulation.ts'
import { transfer, transferOnce } from './transfer.ts'

console.log('The transfer that looks right:')
await plainTest(transfer)
console.log('  its test passes')
try {
  await simulation(transfer, 10_000)
  console.log('  and the simulation finds nothing')
} catch (error) {
  if (!(error instanceof SimulationFailed)) throw error
  console.log(error.message.replaceAll(/^(?=.)/gm, '  '))
}

console.log('\nThe one that is right:')
await plainTest(transferOnce)
console.log('  its test passes')
const { runs } = await simulation(transferOnce, 10_000)
console.log(`  and the simulation finds nothing in ${runs} runs`)
