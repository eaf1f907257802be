import { setImmediate as turn } from 'node:timers/promises'
import Emittery from 'emittery'
import { seen, seenOf } from '../seen.ts'
import { react, ship } from './steps.ts'

const isAwaited = process.argv[3] === 'awaited'
const emitter = new Emittery<{ paid: number; ship: number }>()
emitter.on('paid', async ({ data }) => {
  react(data)
  if (isAwaited) await emitter.emit('ship', data)
  else void emitter.emit('ship', data)
})
emitter.on('ship', ({ data }) => ship(data))
for (const n of [1, 2, 3]) {
  if (isAwaited) await seenOf('the publisher', String(n), emitter.emit('paid', n))
  else {
    void emitter.emit('paid', n)
    seen('the publisher', `${n} returns`)
  }
  await turn()
}
