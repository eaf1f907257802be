import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { InvalidOption } from '../errors.ts'
import { memory, type MemoryStore } from '../memory/index.ts'
import type { Claim, NewMessage, OpenStore } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { faulty, type FaultRule, type FaultyStore, VirtualClock } from './index.ts'

const subscription = { name: 'events/a', formerly: [], types: ['t'], from: 'now' as const }

let clock: VirtualClock
let inner: MemoryStore
let store: FaultyStore
let open: OpenStore

beforeEach(() => {
  clock = new VirtualClock()
  inner = memory()
})

async function opened(plan?: FaultRule | readonly FaultRule[]): Promise<void> {
  store = faulty(inner, plan)
  open = await store.open({ service: undefined, subscriptions: [subscription], clock, wake: () => {} })
}

function message(id: string): NewMessage {
  return { id, type: 't', key: undefined, time: 0, envelope: '', body: '', crc: 0, mayRepeat: true }
}

const append = (...ids: string[]): Promise<readonly boolean[]> => open.append(ids.map(message))

/** `'stored'`, or the code of the failure. */
async function outcomes(...calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(calls)
  return settled.map((one) => (one.status === 'fulfilled' ? 'stored' : (one.reason as StoreFailed).code))
}

/** What is in the log, as the store beneath has it. */
async function stored(): Promise<string[]> {
  store.heal()
  return (await open.read(0, 0, 1_000)).map(({ id }) => id)
}

describe('a plan strikes', () => {
  test('each call that it is about, and no others', async () => {
    await opened({ on: 'append', fail: 'STORE_FULL' })
    expect(await outcomes(append('1'))).toEqual(['STORE_FULL'])
    expect(await outcomes(append('2'), open.claim())).toEqual(['STORE_FULL', 'STORE_FULL'])
    expect(await outcomes(open.claim(), open.read(0, 0, 1))).toEqual(['stored', 'stored'])
    expect(store.hits).toEqual({ append: 2 })
    expect(await stored()).toEqual([])
  })

  test('the nth call', async () => {
    await opened({ on: 'append', nth: 3, fail: 'STORE_FULL' })
    const all: unknown[] = []
    for (const id of ['1', '2', '3', '4']) all.push(...(await outcomes(append(id))))
    expect(all).toEqual(['stored', 'stored', 'STORE_FULL', 'stored'])
    expect(await stored()).toEqual(['1', '2', '4'])
  })

  test('every nth call, so many times at most', async () => {
    await opened({ on: 'append', every: 2, times: 2, fail: 'STORE_FAILED' })
    const all: unknown[] = []
    for (let id = 1; id <= 8; id += 1) all.push(...(await outcomes(append(`${id}`))))
    expect(all.map((one) => one === 'stored')).toEqual([true, false, true, false, true, true, true, true])
  })

  test('by chance, the same calls with the same seed, and others with another one', async () => {
    const struck = async (seed: number): Promise<unknown[]> => {
      inner = memory()
      await opened({ on: 'append', chance: 0.3, seed, fail: 'STORE_FAILED' })
      const all: unknown[] = []
      for (let id = 1; id <= 60; id += 1) all.push(...(await outcomes(append(`${id}`))))
      return all
    }
    const first = await struck(7)
    expect(await struck(7)).toEqual(first)
    expect(await struck(8)).not.toEqual(first)
    const share = first.filter((one) => one !== 'stored').length / 60
    expect(share).toBeGreaterThan(0.1)
    expect(share).toBeLessThan(0.5)
  })

  test('by the first rule that is meant, and tells which have never struck', async () => {
    const rules: readonly FaultRule[] = [
      { on: 'append', nth: 1, fail: 'STORE_FULL' },
      { on: 'writes', nth: 1, fail: 'STORE_DAMAGED' },
      { on: ['deadLetters.list', 'schedules.put'], fail: 'STORE_READ_ONLY' },
    ]
    await opened(rules)
    expect(await outcomes(append('1'))).toEqual(['STORE_FULL'])
    expect(await outcomes(open.schedules.put('s', 1))).toEqual(['STORE_READ_ONLY'])
    expect(store.unused).toEqual([rules[1]])
    expect(store.hits).toEqual({ append: 1, 'schedules.put': 1 })
  })

  test('with an error of the test, on openings too, and goes on counting when it is opened anew', async () => {
    const error = new Error('the network is gone')
    store = faulty(inner, { on: 'open', nth: 2, fail: error })
    const opening = { service: undefined, subscriptions: [], clock, wake: () => {} }
    await (await store.open(opening)).close()
    await expect(store.open(opening)).rejects.toBe(error)
    await (await store.open(opening)).close()
  })
})

describe('what is struck', () => {
  test('is stored later by the clock of the opening, with what comes after it behind it', async () => {
    await opened({ on: 'append', nth: 1, delayMs: 200 })
    const order: string[] = []
    const calls = ['1', '2', '3'].map((id) => append(id).then(() => order.push(id)))
    await clock.advance(199)
    expect(order).toEqual([])
    expect(await open.read(0, 0, 10)).toEqual([])
    await clock.advance(1)
    await Promise.all(calls)
    expect(order).toEqual(['1', '2', '3'])
    expect(await stored()).toEqual(['1', '2', '3'])
  })

  test('is stored, and rejects, where its answer gets lost; what waits behind it fails', async () => {
    await opened({ on: 'append', nth: 2, loseAnswer: true })
    expect(await outcomes(append('1'), append('2'), append('3'))).toEqual(['stored', 'STORE_FAILED', 'STORE_FAILED'])
    expect(await append('2', '3')).toEqual([false, true])
    expect(await stored()).toEqual(['1', '2', '3'])
  })

  test('fails after all before it have been answered, and with it what is called before that has been heard of', async () => {
    await opened({ on: 'append', nth: 2, fail: 'STORE_FULL' })
    const told: string[] = []
    const tell = (id: string, call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => told.push(id),
        () => told.push(`not ${id}`),
      )
    const first = tell('1', append('1'))
    const second = append('2')
    const late = second.catch(() => tell('4', append('4')))
    await Promise.all([first, tell('2', second), tell('3', append('3')), late])
    expect(told).toEqual(['1', 'not 2', 'not 3', 'not 4'])
    expect(await outcomes(append('5'))).toEqual(['stored'])
    expect(await stored()).toEqual(['1', '5'])
  })

  test('takes what waits with it where the store beneath fails by itself', async () => {
    const fails = new StoreFailed('STORE_DAMAGED', 'It is damaged.')
    const go = Promise.withResolvers<readonly boolean[]>()
    const broken = {
      ...inner,
      open: async (...opening: Parameters<MemoryStore['open']>) =>
        Object.assign(await inner.open(...opening), { append: () => go.promise }),
    }
    store = faulty(broken, { on: 'cancel', delayMs: 100 })
    open = await store.open({ service: undefined, subscriptions: [], clock, wake: () => {} })
    const calls = outcomes(append('1'), open.cancel('x'), open.schedules.put('s', 1))
    await clock.advance(1_000)
    go.reject(fails)
    expect(await calls).toEqual(['STORE_DAMAGED', 'STORE_DAMAGED', 'STORE_DAMAGED'])
    expect(store.hits).toEqual({ cancel: 1 })
  })

  test('in a transaction of the caller is written within the call, or not at all', async () => {
    await opened([
      { on: 'append', nth: 1, delayMs: 100 },
      { on: 'append', nth: 2, fail: 'STORE_FULL' },
      { on: 'append', nth: 3, loseAnswer: true },
    ])
    const tx = inner.transaction()
    const late = open.append([message('1')], tx)
    const failed = open.append([message('2')], tx)
    const lost = open.append([message('3')], tx)
    await tx.commit()
    expect(await outcomes(failed, lost)).toEqual(['STORE_FULL', 'STORE_FAILED'])
    await clock.advance(100)
    expect(await late).toEqual([true])
    expect(await stored()).toEqual(['1', '3'])
  })

  test('and is not stored does not have its work called', async () => {
    await opened({ on: 'settle', nth: 1, fail: 'STORE_FULL' })
    const worked: number[] = []
    const settle = (n: number): Promise<unknown> =>
      open.settle(undefined, {
        work: () => {
          worked.push(n)
          return []
        },
      })
    expect(await outcomes(settle(1), settle(2))).toEqual(['STORE_FULL', 'STORE_FULL'])
    expect(await outcomes(settle(3))).toEqual(['stored'])
    expect(worked).toEqual([3])
  })

  test('within a work that waits for it is refused by the store, and does not wait for ever', async () => {
    await opened({ on: 'append', fail: 'STORE_FULL' })
    const within = open.settle(undefined, {
      work: async () => {
        await append('1')
        return []
      },
    })
    await expect(within).rejects.toMatchObject({ code: 'COMMIT_DEADLOCK' })
    let beside: Promise<unknown> | undefined
    await open.settle(undefined, {
      work: () => {
        beside = append('2')
        return []
      },
    })
    expect(await outcomes(beside as Promise<unknown>)).toEqual(['STORE_FULL'])
  })

  test('is closed all the same, and may say that it failed', async () => {
    await opened({ on: 'close', fail: 'STORE_FAILED' })
    await expect(open.close()).rejects.toThrow(StoreFailed)
    await opened()
    await open.close()
  })
})

describe('a store that is told while it runs', () => {
  test('fails until it is healed', async () => {
    await opened({ on: 'append', nth: 2, fail: 'STORE_DAMAGED' })
    store.fail()
    expect(await outcomes(append('1'), open.claim(), open.read(0, 0, 1), open.deadLetters.get('x'))).toEqual(
      Array.from({ length: 4 }, () => 'STORE_FAILED'),
    )
    expect(open.now()).toBe(clock.now())
    expect(open.takes('t')).toBe(true)
    store.fail('STORE_FULL', 'reads')
    expect(await outcomes(open.claim(), open.stats())).toEqual(['stored', 'STORE_FULL'])
    store.heal()
    expect(await outcomes(append('2'), open.stats())).toEqual(['stored', 'stored'])
    await open.close()
  })

  test('holds writes and reads until it is released, in their order', async () => {
    await opened()
    const release = store.hold(['append', 'stats'])
    const order: string[] = []
    const calls = [
      append('1').then(() => order.push('1')),
      open.claim().then(() => order.push('claim')),
      append('2').then(() => order.push('2')),
    ]
    const stats = open.stats()
    for (let turn = 0; turn < 3; turn += 1) await nextTurn()
    expect(order).toEqual([])
    release()
    await Promise.all(calls)
    expect(order).toEqual(['1', 'claim', '2'])
    expect((await stats).messages).toBeLessThanOrEqual(2)
    expect(store.hits).toEqual({ append: 1, stats: 1 })
  })

  test('has what was held fail, where it fails by then, and stores what it was given before it is closed', async () => {
    await opened()
    const release = store.hold('append')
    const failed = outcomes(append('1'), append('2'))
    await nextTurn()
    store.fail('STORE_FULL')
    release()
    expect(await failed).toEqual(['STORE_FULL', 'STORE_FULL'])
    store.heal()
    store.hold()
    const held = outcomes(append('3'))
    const closed = open.close()
    store.heal()
    expect(await held).toEqual(['stored'])
    await closed
    expect(await outcomes(append('4'))).toEqual(['STORE_CLOSED'])
  })

  test('passes on what a claim was given, and what the store can do besides', async () => {
    inner = memory({ shared: true })
    await opened({ on: 'renew', nth: 2, fail: 'STORE_FAILED' })
    const claims: readonly Claim[] = await open.claim()
    expect(await open.renew?.(claims)).toEqual({ held: claims, handOver: [] })
    await expect(open.renew?.(claims)).rejects.toThrow('renew')
    inner = memory()
    await opened()
    expect(open).toHaveProperty('renew', undefined)
  })
})

describe('a plan is refused, with what to do,', () => {
  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['of an unknown operation', { on: 'apend', fail: 'STORE_FULL' }, '"apend" is no operation of a store. Pass one of'],
    ['of no operation', { fail: 'STORE_FULL' }, "has no 'on'"],
    ['of no operations', { on: [], fail: 'STORE_FULL' }, 'or an array of them'],
    ['of an unknown field', { on: 'append', nht: 1, fail: 'STORE_FULL' }, "no option 'nht'"],
    ['of what is no rule', ['append'], 'Pass an object'],
    ['with nth 0', { on: 'append', nth: 0, fail: 'STORE_FULL' }, 'nth is 0. Pass a whole number, 1 or more'],
    ['with half a time', { on: 'append', times: 0.5, fail: 'STORE_FULL' }, 'times is 0.5'],
    ['with both nth and every', { on: 'append', nth: 1, every: 2, fail: 'STORE_FULL' }, 'Make it two rules'],
    ['with both nth and times', { on: 'append', nth: 1, times: 2, fail: 'STORE_FULL' }, 'Leave one of them out'],
    ['with a chance of 2', { on: 'append', chance: 2, fail: 'STORE_FULL' }, 'chance is 2. Pass a number'],
    ['with a seed without chance', { on: 'append', seed: 1, fail: 'STORE_FULL' }, 'and no chance'],
    ['with half a seed', { on: 'append', chance: 1, seed: 0.5, fail: 'STORE_FULL' }, 'Pass a whole number'],
    ['that does nothing', { on: 'append', nth: 1 }, 'does nothing. Give it fail'],
    ['with an unknown code', { on: 'append', fail: 'FULL' }, 'A planned failure is "FULL"'],
    ['with a code that must be true', { on: 'settle', fail: 'CLAIM_LOST' }, 'Pass an Error, or one of'],
    ['with a delay in words', { on: 'append', delayMs: '1s' }, 'Pass a number of milliseconds'],
    ['with half a lost answer', { on: 'append', loseAnswer: 1 }, 'Pass true'],
    ['with a lost answer of a settlement', { on: 'settle', loseAnswer: true }, 'find out first'],
    ['with a lost answer of a read', { on: 'reads', loseAnswer: true }, 'Use fail'],
  ]
  test.each(wrong)('%s', (_, plan, text) => {
    const make = (): unknown => faulty(inner, plan as FaultRule)
    expect(make).toThrow(InvalidOption)
    expect(make).toThrow(text)
  })

  test('where it is for no store', () => {
    expect(() => faulty({} as MemoryStore)).toThrow('Pass a store, such as memory()')
  })

  test('where it is told while it runs', () => {
    store = faulty(inner)
    expect(() => store.fail('FULL' as 'STORE_FULL')).toThrow(InvalidOption)
    expect(() => store.fail('STORE_FULL', 'apend' as 'append')).toThrow(InvalidOption)
    expect(() => store.hold('apend' as 'append')).toThrow(InvalidOption)
  })
})
