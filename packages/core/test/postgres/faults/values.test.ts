import { expect, test } from 'vitest'
import { defineEvent, Dispatcher, retry } from '../../../src/index.ts'
import { postgres } from '../../../src/postgres/index.ts'
import type { Claim } from '../../../src/ports/store.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { noticed } from '../../hostile-files/bus-file.ts'
import { silent } from '../../silent.ts'
import { fixture, message, outcomeOf, patient } from './open-store.ts'

class Placed extends defineEvent<{ text: string }>('shop.placed') {}
class Billed extends defineEvent<{ text: string }>('shop.billed') {}

const url = await ownDatabase()
const odd = [
  ['a NUL character', 'a\0b'],
  ['half of a pair', 'a\uD800b'],
] as const

test.each(odd)(
  '%s in any text is refused for that one message, and nothing else of its group fails',
  async (_, text) => {
    const on = await fixture(url)
    const store = await on.open()
    const [claim] = (await store.claim()) as [Claim]
    const calls = [
      store.append([message('before')]),
      store.append([message(text)]),
      store.append([message('with', { key: text }), message('it')]),
      store.append([message('type', { type: text })]),
      store.append([message('body', { body: text })]),
      store.append([message('envelope', { envelope: text })]),
      store.append([message('after')]),
      store.settle(claim, { reached: 1, caused: [message('caused')] }),
      store.cancel(text),
      store.append([message('last')]),
    ]
    expect(await Promise.all(calls.map(outcomeOf))).toEqual([
      'stored',
      ...Array.from({ length: 5 }, () => expect.stringMatching(/UNSTORABLE|STORE_FAILED/)),
      'stored',
      'stored',
      expect.anything(),
      'stored',
    ])
    const stored = await on.ask(`SELECT id FROM ${on.schema}.message ORDER BY position`)
    expect(stored.map(({ id }) => id)).toEqual(['before', 'after', 'caused', 'last'])
  },
)

test.each(odd)('%s in a key or an id is refused at the door, and in a body comes back as it was', async (_, text) => {
  const on = await fixture(url)
  const dp = new Dispatcher({
    service: 'shop',
    store: postgres({ pool: on.pool, schema: on.schema, ...patient }),
    logger: silent,
    recover: retry({ attempts: 1 }),
  })
  const handled: string[] = []
  const bad = { key: text }
  dp.events.bind(
    Placed,
    (event, { context }) => {
      handled.push(event.text)
      if (event.text === 'cause') context.publish(new Billed({ text: 'no' }), bad)
    },
    { name: 'look' },
  )
  dp.events.bind(Billed, () => {}, { name: 'bill' })
  await dp.start()
  await expect(dp.publish(new Placed({ text: 'no' }), { key: text })).rejects.toMatchObject({
    code: 'UNSTORABLE',
    message: expect.stringMatching(
      /^'shop\.placed' cannot be stored\. Its key .* has (a NUL character|half of a surrogate pair)/,
    ),
  })
  await expect(dp.publish(new Placed({ text: 'no' }), { id: text })).rejects.toMatchObject({ code: 'UNSTORABLE' })
  await dp.publish(new Placed({ text }))
  // One that a handler causes is a failure of the handler, and stops nobody.
  const dead = noticed(dp, 'dead')
  await dp.publish(new Placed({ text: 'cause' }))
  expect(await dead).toMatchObject({ error: { code: 'UNSTORABLE' } })
  await dp.publish(new Placed({ text: 'next' }))
  await expect.poll(() => handled.toSorted()).toEqual([text, 'cause', 'next'].toSorted())
  await dp.stop()
})

test.each(odd)('%s in the code of an error is in its dead letter, without it', async (_, text) => {
  const on = await fixture(url)
  const store = postgres({ pool: on.pool, schema: on.schema, ...patient })
  const dp = new Dispatcher({ service: 'shop', store, logger: silent, recover: retry({ attempts: 1 }) })
  dp.events.bind(
    Placed,
    () => {
      throw Object.assign(new Error(text), { code: text, name: text })
    },
    { name: 'look' },
  )
  await dp.start()
  const dead = noticed(dp, 'dead')
  await dp.publish(new Placed({ text }))
  await dead
  expect(await on.ask(`SELECT error FROM ${on.schema}.dead_letter`)).toEqual([{ error: 'a\uFFFDb' }])
  await dp.stop()
})
