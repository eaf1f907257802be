import Emittery from 'emittery'
import { delaysMs, handle } from './handle.ts'

const emitter = new Emittery<{ changed: number }>()
emitter.on('changed', ({ data }) => handle(data))
const emit = process.argv[2] === 'emitSerial' ? 'emitSerial' : 'emit'
await Promise.all(delaysMs.map((_, index) => emitter[emit]('changed', index + 1)))
