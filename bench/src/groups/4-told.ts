import type { Aim, Case, Group, Run, Tally } from '../case.ts'
import { drained } from '../drained.ts'
import { type Listener, listeners } from '../handlers.ts'
import { Told } from '../messages.ts'
import { mapAndLoop } from '../peers/by-hand.ts'
import { withEmittery, withEventEmitter3, withMitt, withMittIsolated } from '../peers/emitters.ts'
import { iambus } from '../peers/iambus.ts'

const ours = 'iambus `publish`'
const burst = 1_000

type Tell = (message: Told) => unknown
type Peer = (handlers: readonly Listener[], kind: 'sync' | 'async') => Tell | Promise<Tell>

const peers: Readonly<Record<string, Peer>> = {
  'by hand: a `Map` and a loop': mapAndLoop,
  [ours]: async (handlers) => {
    const dp = await iambus(handlers)
    return (message) => dp.publish(message)
  },
  mitt: withMitt,
  'mitt, failures isolated by hand': withMittIsolated,
  eventemitter3: withEventEmitter3,
  'emittery `emit`': withEmittery,
  'NestJS `EventBus.publish`': async (handlers) => {
    const { eventBus } = await import('../peers/nest.ts')
    return eventBus(handlers)
  },
}

/** Tells bursts, without awaiting what that returns; a burst ends when all handlers have. */
function telling(tell: Tell, tally: Tally, handlers: number): Run {
  return async (count) => {
    for (let n = 1; n <= count; n += 1) {
      tell(new Told(n))
      if (n % burst === 0) await drained(tally, n * handlers)
    }
    await drained(tally, count * handlers)
  }
}

const variants = [
  { variant: '1 handler', handlers: 1, kind: 'sync' },
  { variant: '3 handlers', handlers: 3, kind: 'sync' },
  { variant: '10 handlers', handlers: 10, kind: 'sync' },
  { variant: '3 async handlers', handlers: 3, kind: 'async' },
] as const

const cases = variants.flatMap(({ variant, handlers, kind }) =>
  Object.entries(peers).map(([name, peer]): Case => ({
    name,
    variant,
    handlers,
    setup: async (tally) => telling(await peer(listeners(tally, handlers, kind), kind), tally, handlers),
  })),
)

export default {
  title: 'An event, told',
  text: `What the publisher's call returns is not awaited. In bursts of ${burst} messages; a burst ends when every handler has. Handlers
add up; async ones do so after an \`await\`. iambus isolates failures; so does mitt with a \`try\` around each handler, and a \`catch\` on its promise.
What is by hand the compiler merges with its handlers: a limit rather than a peer.`,
  base: 'by hand: a `Map` and a loop',
  unit: 'message',
  cases,
  aims: [
    { name: ours, variant: '3 handlers', atLeast: [0.9, 'mitt, failures isolated by hand'] },
    { name: ours, variant: '3 async handlers', atLeast: [0.5, 'mitt, failures isolated by hand'] },
    ...variants.flatMap(({ variant }): Aim[] => [
      { name: ours, variant, atLeast: [10, 'emittery `emit`'] },
      { name: ours, variant, atLeast: [100, 'NestJS `EventBus.publish`'] },
    ]),
  ],
} satisfies Group as Group
