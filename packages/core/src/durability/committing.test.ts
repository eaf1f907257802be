import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { altered } from '../../test/altered-store.ts'
import { ManualClock } from '../../test/manual-clock.ts'
import { silent } from '../../test/silent.ts'
import type { Context } from '../routing/context.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { DispatcherOptions } from '../dispatcher-options.ts'
import { defineCommand, defineEvent, defineQuery } from '../message/define.ts'
import type { Store } from '../ports/store.ts'
import { immediate } from '../routing/backoff.ts'
import { deadLetter, retry } from '../routing/recover.ts'
import { sqlite } from '../sqlite/index.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}
class Shipped extends defineEvent<{ order: number }>('shop.shipped') {}
class Ship extends defineCommand<{ order: number }, string>('shop.ship') {}
class Stock extends defineQuery<{ book: string }, number>('shop.stock') {}

let directory: string
let path: string
const started: Dispatcher[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'iambus-commit-'))
  path = join(directory, 'bus.db')
  const database = new DatabaseSync(path)
  database.exec('CREATE TABLE effect (name TEXT)')
  database.close()
})

afterEach(async () => {
  for (const dp of started.splice(0)) await dp.stop({ deadlineMs: 1_000 })
  rmSync(directory, { recursive: true })
})

function dispatcher(options: DispatcherOptions = {}): Dispatcher {
  const dp = new Dispatcher({ store: sqlite(path), logger: silent, recover: deadLetter(), ...options })
  started.push(dp)
  return dp
}

/** What is in the file, as another connection sees it. */
function effects(): string[] {
  const reader = new DatabaseSync(path, { readOnly: true })
  const rows = reader.prepare('SELECT name FROM effect').all() as { name: string }[]
  reader.close()
  return rows.map(({ name }) => name)
}

const write = (name: string) => (tx: DatabaseSync) => tx.prepare('INSERT INTO effect VALUES (?)').run(name)

/** A store that says of what has work in it, some turns later, that it was not stored. */
function lateToSettle(of: Store): Store {
  return altered(of, (open) => ({
    settle: async (claim, { work, ...settlement }) => {
      if (work === undefined) return open.settle(claim, settlement)
      await work(undefined)
      for (let turn = 0; turn < 3; turn += 1) await nextTurn()
      throw new Error('It could not be committed.')
    },
  }))
}

describe('context.commit', () => {
  test('stores effects, what was caused, and the end of the delivery together', async () => {
    const dp = dispatcher()
    const shipped = Promise.withResolvers<string[]>()
    dp.events.bind(
      Placed,
      async ({ order }, { context }) => {
        context.publish(new Shipped({ order }))
        await context.commit(write(`placed ${order}`))
      },
      { name: 'a' },
    )
    dp.events.bind(Shipped, () => shipped.resolve(effects()), { name: 'b' })
    await dp.start()
    await dp.publish(new Placed({ order: 1 }))
    expect(await shipped.promise).toEqual(['placed 1'])
  })

  test('tells what was caused with an id that the store has as a duplicate, in a request too', async () => {
    const dp = dispatcher()
    const told: string[] = []
    const shipped: number[] = []
    const commit = async ({ order }: { readonly order: number }, context: Context): Promise<void> => {
      context.publish(new Shipped({ order }), { id: 'once' })
      await context.commit(write(`${order}`))
    }
    dp.events.bind(Placed, (event, { context }) => commit(event, context), { name: 'a' })
    dp.commands.bind(Ship, async (command, { context }) => commit(command, context).then(() => 'done'), { name: 'b' })
    dp.events.bind(Shipped, ({ order }) => void shipped.push(order), { name: 'c' })
    dp.observe('accepted', ({ envelope }) => void (envelope.message instanceof Shipped && told.push('accepted')))
    dp.observe('duplicate', ({ id }) => told.push(`${id} again`))
    await dp.start()
    await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(told.splice(0)).toEqual(['accepted'])
    await dp.publish(new Placed({ order: 2 }), { waitForResponse: true })
    expect(told.splice(0)).toEqual(['once again'])
    await dp.request(new Ship({ order: 3 }))
    expect(told.splice(0)).toEqual(['once again'])
    expect(effects()).toEqual(['1', '2', '3'])
    await dp.stop()
    expect(shipped).toEqual([1])
  })

  test('gives what work returns, which is the response, and publishes it as a responseEvent', async () => {
    const dp = dispatcher()
    const shipped = Promise.withResolvers<number>()
    dp.events.bind(
      Placed,
      async ({ order }, { context }) => {
        const given = await context.commit((tx) => {
          write('one')(tx)
          return new Shipped({ order })
        })
        expect(given).toBeInstanceOf(Shipped)
        return 'something else'
      },
      { name: 'a', responseEvent: Shipped },
    )
    dp.events.bind(Shipped, ({ order }) => shipped.resolve(order), { name: 'b' })
    await dp.start()
    const outcomes = await dp.publish(new Placed({ order: 3 }), { waitForResponse: true })
    expect(outcomes).toMatchObject([{ status: 'done', value: { order: 3 } }])
    expect(await shipped.promise).toBe(3)
  })

  test('leaves nothing of a work that throws, and the handler may fail of it', async () => {
    const dp = dispatcher({ recover: retry({ attempts: 2, backoff: immediate() }) })
    const shipped: number[] = []
    dp.events.bind(
      Placed,
      async ({ order }, { context }) => {
        context.publish(new Shipped({ order }))
        await context.commit((tx) => {
          write(`attempt ${context.attempt}`)(tx)
          if (context.attempt === 1) throw new Error('not yet')
        })
      },
      { name: 'a' },
    )
    dp.events.bind(Shipped, ({ order }) => void shipped.push(order), { name: 'b' })
    await dp.start()
    const outcomes = await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(outcomes).toMatchObject([{ status: 'done' }])
    await dp.stop()
    expect(effects()).toEqual(['attempt 2'])
  })

  test('stores what an asynchronous work has written when that has ended', async () => {
    const dp = dispatcher()
    dp.events.bind(
      Placed,
      async (_event, { context }) => {
        await context.commit(async (tx) => {
          write('first')(tx)
          await nextTurn()
          write('second')(tx)
        })
      },
      { name: 'a' },
    )
    await dp.start()
    await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(effects()).toEqual(['first', 'second'])
  })

  test('is final: what is recorded, committed or thrown after it is refused, or only a notice', async () => {
    const dp = dispatcher()
    const late: string[] = []
    dp.observe('late', ({ error }) => late.push(String(error?.message)))
    const refused: unknown[] = []
    const attempt = (call: () => unknown): void => {
      try {
        call()
      } catch (error) {
        refused.push((error as { code: string }).code)
      }
    }
    dp.events.bind(
      Placed,
      async (_event, { context }) => {
        await context.commit(write('once'))
        attempt(() => context.publish(new Shipped({ order: 1 })))
        await context.commit(write('twice')).catch((error: { code: string }) => refused.push(error.code))
        throw new Error('too late')
      },
      { name: 'a' },
    )
    await dp.start()
    const outcomes = await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(outcomes).toMatchObject([{ status: 'done' }])
    expect(refused).toEqual(['ALREADY_COMMITTED', 'ALREADY_COMMITTED'])
    expect(late).toEqual(['too late'])
    expect(effects()).toEqual(['once'])
    expect((await dp.deadLetters.list()).letters).toEqual([])
  })

  test('in a request: the effects and what is caused, and its answer is what work returned', async () => {
    const dp = dispatcher()
    const shipped = Promise.withResolvers<number>()
    dp.commands.bind(
      Ship,
      async ({ order }, { context }) => {
        context.publish(new Shipped({ order }))
        return context.commit((tx) => {
          write('shipped')(tx)
          return 'on its way'
        })
      },
      { name: 'ship' },
    )
    dp.events.bind(Shipped, ({ order }) => shipped.resolve(order), { name: 'b' })
    await dp.start()
    expect(await dp.request(new Ship({ order: 4 }))).toBe('on its way')
    expect(await shipped.promise).toBe(4)
    expect(effects()).toEqual(['shipped'])
  })

  test('by a handler that ran out of time writes nothing', async () => {
    const dp = dispatcher()
    const went = Promise.withResolvers<unknown>()
    dp.events.bind(
      Placed,
      async (_event, { context }) => {
        await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
        went.resolve(await context.commit(write('late')).catch((error: { code: string }) => error.code))
      },
      { name: 'a', timeoutMs: 5 },
    )
    await dp.start()
    await dp.publish(new Placed({ order: 1 }))
    expect(await went.promise).toBe('TIMED_OUT')
    await dp.stop()
    expect(effects()).toEqual([])
  })

  test('that has written in time stands, also where the transaction takes longer than the handler may', async () => {
    const clock = new ManualClock()
    const dp = dispatcher({ clock, recover: retry({ attempts: 2, backoff: immediate() }) })
    const [isWritten, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    dp.events.bind(Placed, async (_event, { context }) => void (await context.commit(write('a'))), {
      name: 'a',
      timeoutMs: 50,
    })
    dp.events.bind(
      Placed,
      async (_event, { context }) => {
        await context.commit(async () => {
          isWritten.resolve()
          await mayEnd.promise
        })
      },
      { name: 'b' },
    )
    await dp.start()
    const outcomes = dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    await isWritten.promise
    clock.advance(60)
    mayEnd.resolve()
    expect(await outcomes).toMatchObject([{ status: 'done' }, { status: 'done' }])
    await dp.stop()
    expect(effects()).toEqual(['a'])
  })

  test('not awaited fails the attempt, and writes nothing', async () => {
    const dp = dispatcher()
    dp.events.bind(
      Placed,
      (_event, { context }) => {
        context.commit(write('floating')).catch(() => {})
      },
      { name: 'a' },
    )
    await dp.start()
    const outcomes = await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(outcomes).toMatchObject([{ status: 'dead', error: { code: 'ATTEMPT_ENDED' } }])
    await dp.stop()
    expect(effects()).toEqual([])
  })

  test('not awaited, and stored before the handler ends, is stored once', async () => {
    const dp = dispatcher({ recover: retry({ attempts: 3, backoff: immediate() }) })
    let runs = 0
    dp.events.bind(
      Placed,
      async (_event, { context }) => {
        runs += 1
        context.commit(write(`x${runs}`)).catch(() => {})
        await dp.publish(new Shipped({ order: 1 })) // It is stored in the same transaction.
      },
      { name: 'a' },
    )
    dp.events.bind(Shipped, () => {}, { name: 'b' })
    await dp.start()
    await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(effects()).toEqual(['x1'])
    expect(runs).toBe(1)
  })

  test('not awaited, and undone after the handler has ended, fails the attempt', async () => {
    const dp = dispatcher({ store: lateToSettle(sqlite(path)) })
    dp.events.bind(
      Placed,
      async (_event, { context }) => {
        const written = Promise.withResolvers<void>()
        context.commit(() => written.resolve()).catch(() => {})
        await written.promise
      },
      { name: 'a' },
    )
    await dp.start()
    const outcomes = await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(outcomes).toMatchObject([{ status: 'dead', error: { message: 'It could not be committed.' } }])
  })

  test('without a store is refused', async () => {
    const dp = new Dispatcher({ logger: silent })
    started.push(dp)
    let context: Context | undefined
    dp.queries.bind(Stock, async (_query, deps) => {
      context = deps.context
      await context.commit(() => 1)
      return 1
    })
    await dp.start()
    await expect(dp.request(new Stock({ book: 'Emma' }))).rejects.toMatchObject({ code: 'NO_STORE' })
  })
})

describe('publish in a transaction of the caller', () => {
  test('is handled after the commit, and never was after a rollback', async () => {
    const database = new DatabaseSync(path)
    const dp = dispatcher({ store: sqlite({ database }) })
    const seen: number[] = []
    const second = Promise.withResolvers<void>()
    dp.events.bind(Placed, ({ order }) => void (seen.push(order), order === 2 && second.resolve()), { name: 'a' })
    await dp.start()
    database.exec('BEGIN')
    await dp.publish(new Placed({ order: 1 }), { tx: database })
    database.exec('ROLLBACK')
    database.exec('BEGIN')
    write('with it')(database)
    await dp.publish(new Placed({ order: 2 }), { tx: database })
    expect(seen).toEqual([])
    database.exec('COMMIT')
    await second.promise
    expect(seen).toEqual([2])
    await dp.stop()
    database.close()
  })

  test('is refused where it could not be one with it', async () => {
    const dp = dispatcher()
    const elsewhere = new DatabaseSync(':memory:')
    dp.events.bind(Placed, () => {}, { name: 'a' })
    dp.events.bind(Shipped, () => {}, { durable: false })
    await dp.start()
    const tx = elsewhere
    const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => 'accepted',
        (error: { code: string }) => error.code,
      )
    expect(await codeOf(dp.publish(new Placed({ order: 1 }), { tx }))).toBe('FOREIGN_TRANSACTION')
    expect(await codeOf(dp.publish(new Placed({ order: 1 }), { tx, waitForResponse: true }))).toBe('INVALID_OPTION')
    expect(await codeOf(dp.publish(new Shipped({ order: 1 }), { tx }))).toBe('INVALID_OPTION')
    elsewhere.close()
  })
})
