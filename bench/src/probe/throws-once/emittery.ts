import { setImmediate as turn } from 'node:timers/promises'
import Emittery from 'emittery'
import { seen, seenOf } from '../seen.ts'
import { handle } from './handle.ts'

const emitter = new Emittery<{ paid: number }>()
emitter.on('paid', ({ data }) => handle(data))
for (const n of [1, 2, 3]) {
  if (process.argv[2] === 'awaited') await seenOf('the publisher', String(n), emitter.emit('paid', n))
  else {
    void emitter.emit('paid', n)
    seen('the publisher', `${n} returns`)
  }
  await turn()
}
