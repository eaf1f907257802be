// The process of one measurement: prints how many bytes one call of the case named allocates, as the median of batches.
// It wants a young generation that holds whatever is made from start to end, so that nothing is collected meanwhile.
// Nothing is collected by force either: that drops compiled code, and what follows would measure the compiler.
import { setImmediate as turn } from 'node:timers/promises'
import { GCProfiler } from 'node:v8'
import { Dispatcher } from '@iambus/core'

class Message {
  readonly n: number

  constructor(n: number) {
    this.n = n
  }
}

/** A case that is set up. */
interface Subject {
  /** How many handlers each message has. */
  readonly handlers: number
  readonly call: (n: number) => unknown
  /** Whether each call is awaited before the next. */
  readonly awaited: boolean
  /** Lets go what the calls have left waiting. */
  readonly letGo?: () => void
}

const [warmUp, batch, batches] = [50_000, 5_000, 11]
const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`)
const keyOf = (n: number): string => keys[n % keys.length] ?? ''
let handled = 0

const answer = async (message: Message): Promise<number> => {
  handled += 1
  return message.n
}

const asking = async (): Promise<Dispatcher> => started((dp) => dp.queries.bind(Message, answer))

const telling = (handlers: number, handlerOf: () => (message: Message) => unknown): Promise<Dispatcher> =>
  started((dp) => {
    for (let i = 0; i < handlers; i += 1) dp.events.bind(Message, handlerOf(), { name: `handler-${i}` })
  })

async function started(bind: (dp: Dispatcher) => void): Promise<Dispatcher> {
  const dp = new Dispatcher()
  bind(dp)
  await dp.start()
  return dp
}

const syncHandler = () => (): void => {
  handled += 1
}

const asyncHandler = () => async (): Promise<void> => {
  await Promise.resolve()
  handled += 1
}

async function told(handlers: number): Promise<Subject> {
  const dp = await telling(handlers, syncHandler)
  return { handlers, awaited: false, call: (n) => dp.publish(new Message(n)) }
}

const cases: Readonly<Record<string, () => Promise<Subject>>> = {
  request: async () => {
    const dp = await asking()
    return { handlers: 1, awaited: true, call: (n) => dp.request(new Message(n)) }
  },
  'request with key': async () => {
    const dp = await asking()
    return { handlers: 1, awaited: true, call: (n) => dp.request(new Message(n), { key: keyOf(n) }) }
  },
  'publish told to 1 sync handler': () => told(1),
  'publish told to 3 sync handlers': () => told(3),
  'publish awaited by 3 async handlers': async () => {
    const dp = await telling(3, asyncHandler)
    return { handlers: 3, awaited: true, call: (n) => dp.publish(new Message(n), { waitForResponse: true }) }
  },
  'waiting keyed message that nobody awaits': async () => {
    let gate: PromiseWithResolvers<void> | undefined
    const dp = await telling(1, () => async () => {
      await gate?.promise
      handled += 1
    })
    const call = (n: number): unknown => {
      gate ??= Promise.withResolvers()
      return dp.publish(new Message(n), { key: keyOf(n) })
    }
    const letGo = (): void => {
      gate?.resolve()
      gate = undefined
    }
    return { handlers: 1, awaited: false, call, letGo }
  },
}
const name = process.argv[2] ?? ''
const subject = await cases[name]?.()
if (subject === undefined) throw new Error(`There is no case '${name}'.`)

/** The bytes of one call, over a batch; NaN where garbage was collected meanwhile. */
async function bytesPerCall({ call, awaited, letGo, handlers }: Subject, count: number): Promise<number> {
  handled = 0
  const collections = new GCProfiler()
  collections.start()
  const before = process.memoryUsage().heapUsed
  if (awaited) for (let n = 0; n < count; n += 1) await call(n)
  else for (let n = 0; n < count; n += 1) void call(n)
  const bytes = process.memoryUsage().heapUsed - before
  const isWhole = collections.stop().statistics.length === 0
  letGo?.()
  const isDone = (): boolean => handled === count * handlers
  for (let i = 0; i < 10_000 && !isDone(); i += 1) await turn()
  if (!isDone()) throw new Error(`${count} calls: ${handled} times a handler ran.`)
  return isWhole ? bytes / count : Number.NaN
}

for (let done = 0; done < warmUp; done += batch) await bytesPerCall(subject, batch)
const measured: number[] = []
for (let i = 0; i < batches * 2 && measured.length < batches; i += 1) {
  const bytes = await bytesPerCall(subject, batch)
  if (!Number.isNaN(bytes)) measured.push(bytes)
}
if (measured.length < batches) throw new Error('Garbage is collected all the time: there is nothing to measure.')
console.log(measured.sort((a, b) => a - b)[Math.floor(batches / 2)])
process.exit()
