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
