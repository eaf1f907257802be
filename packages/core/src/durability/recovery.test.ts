import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { DispatcherOptions } from '../dispatcher-options.ts'
import { defineEvent } from '../message/define.ts'
import { fixed, immediate } from '../routing/backoff.ts'
import type { Context } from '../routing/context.ts'
import { deadLetter, retry } from '../routing/recover.ts'
import { sqlite } from '../sqlite/index.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

let directory: string
let copies: number
const started: Dispatcher[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'iambus-recovery-'))
  copies = 0
})

afterEach(async () => {
  for (const dp of started.splice(0)) await dp.stop({ deadlineMs: 0 })
  rmSync(directory, { recursive: true })
})

function dispatcher(options: DispatcherOptions = {}): Dispatcher {
  const store = sqlite(join(directory, `bus${copies}.db`))
  const dp = new Dispatcher({
    store,
    logger: silent,
    recover: retry({ attempts: 5, backoff: immediate() }),
    ...options,
  })
  started.push(dp)
  return dp
}

/** What is on the disk now is what the next dispatcher finds: as if the process had been killed. */
function crash(): void {
  for (const end of ['', '-wal']) {
    const from = join(directory, `bus${copies}.db${end}`)
    if (existsSync(from)) copyFileSync(from, join(directory, `bus${copies + 1}.db${end}`))
  }
  copies += 1
}

describe('after a crash', () => {
  test('one that has crashed the process alone is retried before the suspect behind it in its lane', async () => {
    for (const run of ['beside others', 'alone']) {
      const dp = dispatcher()
      const began = Promise.withResolvers<void>()
      dp.events.bind(Placed, () => (began.resolve(), new Promise<void>(() => {})), { name: 'a' })
      await dp.start()
      const orders = run === 'alone' ? [] : [1, 2, 3]
      await Promise.all(orders.map((order) => dp.publish(new Placed({ order }), { key: 'k' })))
      await began.promise
      crash()
    }
    const dp = dispatcher()
    const seen: number[] = []
    const all = Promise.withResolvers<void>()
    dp.events.bind(Placed, ({ order }) => void (seen.push(order) === 3 && all.resolve()), { name: 'a' })
    await dp.start()
    await all.promise
    expect(seen).toEqual([1, 2, 3])
  })

  test('a replay that has crashed the process, beside others and then alone, is a dead letter again and crashes no more', async () => {
    const first = dispatcher({ recover: deadLetter() })
    const began = Promise.withResolvers<void>()
    const hangsInReplays =
      (begun: () => void) =>
      (_event: Placed, { context }: { context: Context }) => {
        if (!context.replayed) throw new Error('no')
        begun()
        return new Promise<void>(() => {})
      }
    first.events.bind(Placed, hangsInReplays(began.resolve), { name: 'a' })
    await first.start()
    await first.publish(new Placed({ order: 1 }), { waitForResponse: true })
    const [letter] = (await first.deadLetters.list()).letters
    await first.deadLetters.replay(letter?.id as string)
    await began.promise
    crash()

    const second = dispatcher()
    const beganAlone = Promise.withResolvers<void>()
    second.events.bind(Placed, hangsInReplays(beganAlone.resolve), { name: 'a' })
    await second.start()
    await beganAlone.promise
    crash()

    const third = dispatcher()
    const seen: boolean[] = []
    const died: unknown[] = []
    third.observe('dead', ({ error, letterId }) => died.push([letterId, (error as { code?: string }).code]))
    third.events.bind(Placed, (_event, { context }) => void seen.push(context.replayed), { name: 'a' })
    await third.start()
    await third.publish(new Placed({ order: 2 }), { waitForResponse: true })
    expect(seen).toEqual([false])
    expect(died).toEqual([[letter?.id, 'PROCESS_CRASHED']])
    const { letters } = await third.deadLetters.list()
    expect(letters).toMatchObject([{ id: letter?.id, isReplaying: false, error: { code: 'PROCESS_CRASHED' } }])
    expect(letters[0]?.attempts).toHaveLength(2)
    await third.deadLetters.replay(letter?.id as string, { waitForResponse: true })
    expect(seen).toEqual([false, true])
  })

  test('a replay goes on behind the retry of one that has crashed the process, and keeps it from nothing', async () => {
    const recover = [
      deadLetter({ when: ({ message }) => message === 'no' }),
      retry({ attempts: 5, backoff: fixed(100) }),
    ]
    const bind = (dp: Dispatcher, hangs: (order: number) => boolean): Promise<void> => {
      const began = Promise.withResolvers<void>()
      const handle = ({ order }: Placed, { context }: { context: Context }): unknown => {
        if (order === 1 && !context.replayed) throw new Error('no')
        if (!hangs(order)) return undefined
        began.resolve()
        return new Promise(() => {})
      }
      dp.events.bind(Placed, handle as () => void, { name: 'a' })
      return began.promise
    }
    const first = dispatcher({ recover })
    const began = bind(first, () => true)
    await first.start()
    await first.publish(new Placed({ order: 1 }), { key: 'k', waitForResponse: true })
    await first.publish(new Placed({ order: 2 }), { key: 'k' })
    await began
    crash()
    const second = dispatcher({ recover })
    const beganAlone = bind(second, () => true)
    await second.start()
    await beganAlone
    crash()
    const third = dispatcher({
      recover: [deadLetter({ when: ({ message }) => message === 'no' }), retry({ backoff: fixed(60_000) })],
    })
    void bind(third, () => false)
    const isRetried = new Promise((resolve) => third.observe('retried', resolve))
    await third.start()
    await isRetried
    await third.publish(new Placed({ order: 3 }), { key: 'other', waitForResponse: true })
    const [letter] = (await third.deadLetters.list()).letters
    await third.deadLetters.replay(letter?.id as string)
    crash()

    // An hour later.
    const clock = new ManualClock()
    clock.advance(Date.now() + 3_600_000)
    const fourth = dispatcher({ recover, clock })
    const done: string[] = []
    const both = new Promise<void>((resolve) => {
      fourth.observe('succeeded', ({ envelope }) => {
        if (done.push(`${(envelope.message as Placed).order}`) === 2) resolve()
      })
    })
    void bind(fourth, () => false)
    await fourth.start()
    clock.advance(1)
    await both
    expect(done.sort()).toEqual(['1', '2'])
    expect((await fourth.deadLetters.list()).letters).toEqual([])
  })
})
