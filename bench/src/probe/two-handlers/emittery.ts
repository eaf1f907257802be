import Emittery from 'emittery'
import { seen, seenOf } from '../seen.ts'

const emitter = new Emittery<{ charge: undefined }>()
for (const name of ['first', 'second']) {
  emitter.on('charge', async () => seen('runs', name))
  seen('to register', `${name} returns`)
}
await seenOf('the caller', 'emit()', emitter.emit('charge'))
