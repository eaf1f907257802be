import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Dispatcher } from '../index.ts'

test('a request is given up, though its signal is aborted within the call, by its own handler', async () => {
  const dp = new Dispatcher({ logger: { debug() {}, info() {}, warn() {}, error() {} } })
  const abort = new AbortController()
  const held = Promise.withResolvers<void>()
  dp.commands.bind('x', () => {
    abort.abort()
    return held.promise
  })
  await dp.start()
  let code: unknown = 'pending'
  dp.request('x', { signal: abort.signal }).catch((error: { code?: string }) => (code = error.code))
  await nextTurn()
  expect(code).toBe('ABORTED')
  held.resolve()
  await dp.stop()
})

test.each(['publish', 'request'] as const)(
  '%s is given up, though its signal is aborted while it leaves for a full bus',
  async (verb) => {
    const dp = new Dispatcher({ capacity: { high: 1, low: 0 }, workers: 1 })
    const abort = new AbortController()
    const held = Promise.withResolvers<void>()
    const ran: string[] = []
    const run = (message: string) => {
      ran.push(message)
      return held.promise
    }
    dp.events.bind(['first', 'second', 'late event'], run)
    dp.queries.bind('late query', run)
    dp.use({
      outgoing: (message, next) => {
        if (message.type.startsWith('late')) abort.abort()
        next()
      },
    })
    await dp.start()
    await dp.publish('first')
    await dp.publish('second')
    const { signal } = abort
    const late = verb === 'publish' ? dp.publish('late event', { signal }) : dp.request('late query', { signal })
    await expect(late).rejects.toMatchObject({ code: 'ABORTED' })
    held.resolve()
    await dp.stop()
    expect(ran).toEqual(['first', 'second'])
  },
)
