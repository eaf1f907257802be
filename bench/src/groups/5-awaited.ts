import type { Aim, Case, Group, Run } from '../case.ts'
import { type Listener, listeners } from '../handlers.ts'
import { Told } from '../messages.ts'
import { withEmittery } from '../peers/emitters.ts'
import { iambus } from '../peers/iambus.ts'

type Publish = (message: Told) => Promise<unknown>

const handlers = 3

const ours = 'iambus `publish`, `waitForResponse`'
const base = 'by hand: `Promise.all`'

const peers: Readonly<Record<string, (listening: readonly Listener[]) => Publish | Promise<Publish>>> = {
  [base]: (listening) => (message) => Promise.all(listening.map((handler) => handler(message))),
  'by hand: `Promise.allSettled`': (listening) => (message) =>
    Promise.allSettled(listening.map((handler) => handler(message))),
  [ours]: async (listening) => {
    const dp = await iambus(listening)
    return (message) => dp.publish(message, { waitForResponse: true })
  },
  'emittery `emit`': withEmittery,
}

const publishing =
  (publish: Publish): Run =>
  async (count) => {
    for (let n = 1; n <= count; n += 1) await publish(new Told(n))
  }

const variants = [
  { variant: 'async handlers', kind: 'async' },
  { variant: 'sync handlers', kind: 'sync' },
] as const

export default {
  title: 'An event, awaited to the end',
  text: `${handlers} handlers, each of which adds up, async ones after an \`await\`; the publisher awaits the end of all, and then
publishes the next. iambus gives the outcome of each, as \`Promise.allSettled\` does.`,
  base,
  unit: 'message',
  cases: variants.flatMap(({ variant, kind }) =>
    Object.entries(peers).map(([name, peer]): Case => ({
      name,
      variant,
      handlers,
      setup: async (tally) => publishing(await peer(listeners(tally, handlers, kind))),
    })),
  ),
  aims: variants.flatMap(({ variant }): Aim[] => [
    { name: ours, variant, atLeast: [1.5, base] },
    { name: ours, variant, atLeast: [6, 'emittery `emit`'] },
  ]),
} satisfies Group as Group
