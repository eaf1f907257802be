import type { Case, Group, Run } from '../case.ts'
import { type Listener, listeners } from '../handlers.ts'
import { Told } from '../messages.ts'
import { withEmittery } from '../peers/emitters.ts'
import { iambus } from '../peers/iambus.ts'

type Publish = (message: Told) => Promise<unknown>

const handlers = 3

const peers: Readonly<Record<string, (listening: readonly Listener[]) => Publish | Promise<Publish>>> = {
  'by hand: `Promise.all`': (listening) => (message) => Promise.all(listening.map((handler) => handler(message))),
  'iambus `publish`, `waitForResponse`': async (listening) => {
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

export default {
  title: 'An event, awaited to the end',
  text: `${handlers} handlers, each of which adds up after an \`await\`; the publisher awaits the end of all, and then publishes the next.`,
  base: 'by hand: `Promise.all`',
  unit: 'message',
  cases: Object.entries(peers).map(([name, peer]): Case => ({
    name,
    handlers,
    setup: async (tally) => publishing(await peer(listeners(tally, handlers, 'async'))),
  })),
} satisfies Group as Group
