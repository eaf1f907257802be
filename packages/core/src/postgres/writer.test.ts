import { expect, test } from 'vitest'
import { StoreFailed } from '../store-errors.ts'
import { Writer } from './writer.ts'

// What is stored alone needs nothing but its turn: there is no server.
const writerOfNothing = (): Writer =>
  new Writer({ name: 'a store', transactions: { writer: {} }, unplaced: { isOpen: false } } as never)

test('a heartbeat does not wait for what was called before', async () => {
  const writer = writerOfNothing()
  const done: string[] = []
  const doing = (what: string) => async (): Promise<void> => void done.push(what)
  await Promise.all([
    writer.alone(doing('an effect')),
    writer.alone(doing('another')),
    writer.first(doing('a heartbeat')),
  ])
  expect(done).toEqual(['a heartbeat', 'an effect', 'another'])
})

const failing = (error: unknown) => (): Promise<never> => Promise.reject(error)

test.each([
  ['a claim that was lost', new StoreFailed('CLAIM_LOST', 'lost')],
  ['an effect that is refused at COMMIT', new StoreFailed('STORE_FAILED', 'refused', { cause: { code: '23503' } })],
])('%s fails alone', async (_, error) => {
  const writer = writerOfNothing()
  const results = await Promise.allSettled([writer.alone(failing(error)), writer.alone(() => Promise.resolve(1))])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
})

test('where the server cannot be reached, what waits fails too', async () => {
  const writer = writerOfNothing()
  const error = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  const results = await Promise.allSettled([writer.alone(failing(error)), writer.alone(() => Promise.resolve(1))])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})
