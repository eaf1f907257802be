import { describe, expectTypeOf, test } from 'vitest'
import { cron } from './cron/index.ts'
import { type Context, Dispatcher, defineCommand, defineEvent, defineQuery, type When } from './index.ts'

class Happened extends defineEvent<{ n: number }>('happened') {}
class Act extends defineCommand<{ n: number }>('act') {}
class Ask extends defineQuery<{ n: number }, number>('ask') {}

const dp = new Dispatcher()
declare const context: Context

describe('a delay', () => {
  test('may be given to what is told, and to what is recorded', () => {
    expectTypeOf(dp.publish(new Happened({ n: 1 }), { delayMs: 1 })).toEqualTypeOf<Promise<void>>()
    expectTypeOf(dp.send(new Act({ n: 1 }), { at: new Date() })).toEqualTypeOf<Promise<void>>()
    expectTypeOf(dp.handle(new Act({ n: 1 }), { delayMs: 1 })).toEqualTypeOf<Promise<void>>()
    context.publish(new Happened({ n: 1 }), { delayMs: 1 })
    context.send(new Act({ n: 1 }), { at: new Date(), key: 'k' })
  })

  test('may not be given where somebody waits', () => {
    // @ts-expect-error nobody can wait for what becomes of it
    dp.publish(new Happened({ n: 1 }), { delayMs: 1, waitForResponse: true })
    // @ts-expect-error nor for its answer
    dp.handle(new Act({ n: 1 }), { at: new Date(), waitForResponse: true })
    // @ts-expect-error nor is it a request
    dp.request(new Ask({ n: 1 }), { delayMs: 1 })
    // @ts-expect-error nor one of a handler
    context.request(new Ask({ n: 1 }), { at: new Date() })
  })

  test('is a number of milliseconds, or a date', () => {
    // @ts-expect-error a text
    dp.send(new Act({ n: 1 }), { delayMs: '1' })
    // @ts-expect-error a number
    dp.send(new Act({ n: 1 }), { at: 1 })
  })
})

describe('a schedule', () => {
  test('makes an event or a command, with the options that it may have', () => {
    dp.schedule('a', { everyMs: 1 }, (dueAt) => new Happened({ n: dueAt.getTime() }))
    dp.schedule('b', cron('0 3 * * *', { timeZone: 'Europe/Berlin' }), () => [new Act({ n: 1 }), { key: 'k' }])
    dp.schedule('c', { next: (after) => after + 1 }, () => 'tick', { missed: 'fire-all' })
    dp.schedule('d', { everyMs: 1 }, (dueAt) => (dueAt.getTime() > 1 ? 'tick' : ['tick', { headers: { a: 'b' } }]))
    expectTypeOf(cron('* * * * *')).toEqualTypeOf<When>()
  })

  test('makes nothing else', () => {
    // @ts-expect-error a query
    dp.schedule('a', { everyMs: 1 }, () => new Ask({ n: 1 }))
    // @ts-expect-error a promise
    dp.schedule('a', { everyMs: 1 }, async () => new Act({ n: 1 }))
    // @ts-expect-error nothing
    dp.schedule('a', { everyMs: 1 }, () => {})
    // @ts-expect-error its id is derived
    dp.schedule('a', { everyMs: 1 }, () => [new Act({ n: 1 }), { id: '1' }])
    // @ts-expect-error it is due now
    dp.schedule('a', { everyMs: 1 }, () => [new Act({ n: 1 }), { delayMs: 1 }])
  })

  test('is due by one of three ways to say so, and misses by one of three rules', () => {
    // @ts-expect-error an expression is given to cron()
    dp.schedule('a', '0 3 * * *', () => 'tick')
    // @ts-expect-error no such rule
    dp.schedule('a', { everyMs: 1 }, () => 'tick', { missed: 'all' })
  })
})
