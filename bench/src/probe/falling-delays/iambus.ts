import { Dispatcher } from '@iambus/core'
import { delaysMs, handle } from './handle.ts'

class Changed {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}

const options = process.argv[2] === 'key' ? { key: 'account 7' } : {}
const dp = new Dispatcher()
dp.events.bind(Changed, ({ n }) => handle(n))
await dp.start()
for (const index of delaysMs.keys()) await dp.publish(new Changed(index + 1), options)
await dp.stop()
