// A program that is ended from outside while a handler runs. Its argument says how it deals with that.
import { setTimeout as delay } from 'node:timers/promises'
import { Dispatcher, singleton } from '../../src/index.ts'

const how = process.argv[2]
const isOver = (stopping: boolean) => stopping && how !== 'never ends'
const dp = new Dispatcher({ shutdownSignals: how === 'no signals' ? [] : ['SIGTERM', 'SIGINT'] })
const inject = { file: singleton('file', () => 'file', { close: () => console.log('closed') }) }
if (how === 'own listener') process.on('SIGTERM', () => console.log('own listener'))

dp.events.bind(
  'work',
  async (_event, { context, file }) => {
    console.log(`started ${context.id} with the ${file}`)
    if (how === 'forced') await new Promise(() => {})
    while (!isOver(context.stopping)) {
      if (context.stopping) console.log('stopping')
      await delay(5)
    }
    console.log(`ended ${context.id}`)
  },
  { inject, name: 'worker' },
)
dp.events.bind(
  'fails',
  () => {
    throw new Error('boom')
  },
  { name: 'fails' },
)
await dp.start()
if (how === 'exits when told') {
  dp.observe('dead', () => process.exit(4))
  for (const id of ['1', '2', '3']) void dp.publish('fails', { id })
}
await dp.publish('work', { id: 'first', key: 'k' })
await dp.publish('work', { id: 'second', key: 'k' })
if (how === 'no signals') {
  await dp.publish('work', { id: 'third', key: 'k', delayMs: 60_000 })
  process.exit(3)
}
if (how === 'forced') await dp.stop({ deadlineMs: 10 })
console.log('ready')
