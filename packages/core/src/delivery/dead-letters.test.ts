import { describe, expect, test } from 'vitest'
import { ScriptedBus } from '../../test/scripted-bus.ts'
import {
  defineEvent,
  type DeadLetter,
  type DeadLetterQuery,
  Dispatcher,
  factory,
  fixed,
  type Redact,
  retry,
  Unavailable,
} from '../index.ts'

const boom = new Error('boom')
const nobody = { id: expect.any(String) as string }

const letters = async (bus: ScriptedBus, query: DeadLetterQuery = {}): Promise<readonly DeadLetter[]> =>
  (await bus.dp.deadLetters.list(query)).letters
const ids = async (bus: ScriptedBus, query?: DeadLetterQuery): Promise<string[]> =>
  (await letters(bus, query)).map(({ handler, envelope }) => `${handler.replace('events/', '')} ${envelope.id}`)
const only = async (bus: ScriptedBus): Promise<DeadLetter> => (await letters(bus))[0] as DeadLetter

/** Each of these has died at `h`, one every 10 ms. */
async function busWith(...told: readonly (readonly [id: string, key?: string])[]): Promise<ScriptedBus> {
  const bus = new ScriptedBus()
  bus.bind('h', Object.fromEntries(told.map(([id]) => [id, [boom]])))
  await bus.dp.start()
  for (const [id, key] of told) {
    await bus.tell(id, key)
    await bus.pass(10)
  }
  return bus
}

describe('a dead letter', () => {
  test('holds the envelope, the handler, every attempt with time and whole error, and the chain of causes', async () => {
    const cause = new TypeError('the cause')
    const last = new Error('last', { cause })
    const bus = new ScriptedBus({ recover: retry({ attempts: 2, backoff: fixed(10) }) })
    bus.dp.events.bind('first', (_event, { context }) => context.publish('second'), { name: 'one' })
    bus.dp.events.bind('second', (_event, { context }) => context.publish('x', { id: 'last' }), { name: 'two' })
    bus.bind('h', { last: [boom, last] })
    await bus.dp.start()
    await bus.dp.publish('first', { id: '1', key: 'k', headers: { tenant: 'acme' }, correlationId: 'c' })
    await bus.rest()
    await bus.pass(10)
    const letter = await only(bus)
    expect(letter).toMatchObject({
      handler: 'events/h',
      envelope: { message: 'x', type: 'x', id: 'last', key: 'k', headers: { tenant: 'acme' }, correlationId: 'c' },
      error: last,
      diedAt: new Date(10),
      attempts: [
        { attempt: 1, replay: 0, isFree: false, times: 1, failedAt: new Date(0), error: boom },
        { attempt: 2, replay: 0, isFree: false, times: 1, failedAt: new Date(10), error: last },
      ],
      causes: [
        { id: '1', type: 'first', handler: 'events/one' },
        { ...nobody, type: 'second', handler: 'events/two' },
      ],
      isReplaying: false,
      parked: 0,
    })
    expect(letter.error.cause).toBe(cause)
    expect(letter.error.stack).toContain('dead-letters.test')
    expect(await bus.dp.deadLetters.get(letter.id)).toEqual(letter)
    expect(await bus.dp.deadLetters.get('another')).toBeUndefined()
  })

  test('remembers what burned no attempt before a replay apart from what did so in it', async () => {
    const away = new Unavailable('away')
    const bus = new ScriptedBus({ recover: retry({ attempts: 1, backoff: fixed(10), maxAgeMs: 15 }) })
    bus.bind('h', { 1: Array.from({ length: 9 }, () => away) })
    await bus.dp.start()
    await bus.tell('1')
    for (let n = 0; n < 3; n += 1) await bus.pass(10)
    await bus.dp.deadLetters.replay({})
    await bus.rest()
    for (let n = 0; n < 3; n += 1) await bus.pass(10)
    expect((await only(bus)).attempts.map(({ replay }) => replay)).toEqual([0, 0, 1, 1])
    expect((await only(bus)).attempts.map(({ isFree, times }) => (isFree ? times : 'burned'))).toEqual([
      2,
      'burned',
      2,
      'burned',
    ])
  })

  test('leaves at the bound, whole, in a critical notice, the oldest first', async () => {
    const bus = new ScriptedBus({ deadLetterCapacity: 2 })
    bus.listen('evicted')
    bus.bind('h', Object.fromEntries(['1', '2', '3', '4'].map((id) => [id, [boom]])))
    await bus.dp.start()
    for (const id of ['1', '2', '3', '4']) await bus.tell(id)
    expect(await ids(bus)).toEqual(['h 3', 'h 4'])
    expect(bus.notices).toEqual(['evicted h 1', 'evicted h 2'])
  })

  test('leaves at the bound also while the handlers of the others go on, that ran out of time', async () => {
    const bus = new ScriptedBus({ deadLetterCapacity: 1 })
    bus.listen('evicted')
    bus.dp.events.bind('x', () => new Promise<void>(() => {}), { name: 'h', timeoutMs: 10 })
    await bus.dp.start()
    for (const id of ['1', '2', '3']) await bus.tell(id)
    await bus.pass(10)
    expect(await ids(bus)).toEqual(['h 3'])
    expect(bus.notices).toEqual(['evicted h 1', 'evicted h 2'])
  })

  test('that is being replayed does not leave at the bound', async () => {
    const bus = new ScriptedBus({ deadLetterCapacity: 1 })
    const gate = Promise.withResolvers<void>()
    bus.dp.events.bind('x', (_event, { context }) => (context.replayed ? gate.promise : Promise.reject(boom)), {
      name: 'h',
    })
    await bus.dp.start()
    await bus.tell('1', 'a')
    await bus.dp.deadLetters.replay({})
    await bus.tell('2', 'b')
    expect(await ids(bus)).toEqual(['h 1'])
    gate.reject(boom)
    await bus.rest()
    expect(await ids(bus)).toEqual(['h 1'])
  })

  test('is kept for each handler that failed', async () => {
    const bus = new ScriptedBus()
    bus.bind('one', { 1: [boom] })
    bus.bind('two', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    expect(await ids(bus)).toEqual(['one 1', 'two 1'])
  })

  test('is kept over a stop and a new start, and can be looked at without a start', async () => {
    const bus = await busWith(['1'])
    await bus.dp.stop()
    expect(await ids(bus)).toEqual(['h 1'])
    await expect(bus.dp.deadLetters.replay({})).rejects.toMatchObject({ code: 'NOT_ACCEPTING' })
    await bus.dp.start()
    expect(await bus.dp.deadLetters.replay({})).toBe(1)
    expect(await new Dispatcher().deadLetters.list()).toEqual({ letters: [], next: undefined })
  })
})

describe('list()', () => {
  test('gives pages, the oldest first, also when letters of the page before are gone', async () => {
    const bus = await busWith(['1'], ['2'], ['3'], ['4'], ['5'])
    const first = await bus.dp.deadLetters.list({ limit: 2 })
    expect(first.letters.map(({ envelope }) => envelope.id)).toEqual(['1', '2'])
    for (const { id } of first.letters) await bus.dp.deadLetters.discard(id)
    const second = await bus.dp.deadLetters.list({ limit: 2, after: first.next })
    expect(second.letters.map(({ envelope }) => envelope.id)).toEqual(['3', '4'])
    const third = await bus.dp.deadLetters.list({ limit: 2, after: second.next })
    expect(third.letters.map(({ envelope }) => envelope.id)).toEqual(['5'])
    expect(third.next).toBeUndefined()
    expect((await bus.dp.deadLetters.list({ limit: 3 })).next).toBeUndefined()
  })

  test.each<[DeadLetterQuery, string[]]>([
    [{ key: 'b' }, ['h 2', 'other 4']],
    [{ handler: 'events/other' }, ['other 4']],
    [{ type: 'y' }, ['other 4']],
    [{ error: 'Error' }, ['h 1', 'h 2', 'h 3']],
    [{ error: 'E_OTHER' }, ['other 4']],
    [{ since: new Date(10) }, ['h 2', 'h 3', 'other 4']],
    [{ before: new Date(10) }, ['h 1']],
    [{ since: new Date(10), before: new Date(30), key: 'b' }, ['h 2']],
    [{ messageId: '2' }, ['h 2']],
    [{ correlationId: '4' }, ['other 4']],
    [{ key: 'nobody' }, []],
  ])('filters by %j', async (query, expected) => {
    const bus = new ScriptedBus()
    bus.bind('h', { 1: [boom], 2: [boom], 3: [boom] })
    bus.bind('other', { 4: [Object.assign(new Error('coded'), { code: 'E_OTHER' })] }, { to: 'y' })
    await bus.dp.start()
    for (const [id, key] of [
      ['1', 'a'],
      ['2', 'b'],
      ['3', undefined],
    ] as const) {
      await bus.tell(id, key)
      await bus.pass(10)
    }
    await bus.tell('4', 'b', 'y')
    expect(await ids(bus, query)).toEqual(expected)
  })

  test.each([
    [{ limit: 0 }, 'limit is 0.'],
    [{ after: 'x' }, `after is "x". Pass the 'next' of the page before.`],
    [{ since: '2026' }, `The filter 'since' is "2026". Pass a Date, or leave it out for all.`],
    [{ key: 5 }, "The filter 'key' is 5. Pass a string, or leave it out for all."],
    [{ handler: 'h' }, `The filter 'handler' is "h". Pass the whole name, as 'events/h'.`],
    [{ key: undefined }, "The filter 'key' is undefined. Pass a string, or leave it out for all."],
    [
      { handlers: 'h' },
      "deadLetters.list() has no option 'handlers'. It has: handler, type, key, messageId, correlationId, error, since, before.",
    ],
  ])('refuses %j', async (query, text) => {
    await expect(new Dispatcher().deadLetters.list(query as never)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(text) as string,
    })
  })
})

describe('replay()', () => {
  test('runs it again, marked as replayed; when it succeeds it is no dead letter any more', async () => {
    const bus = await busWith(['1'])
    bus.listen('replayed', 'succeeded')
    const { id } = await only(bus)
    expect(await bus.dp.deadLetters.replay(id)).toBe(1)
    expect(await letters(bus)).toMatchObject([{ isReplaying: true }])
    await bus.rest()
    expect(await letters(bus)).toEqual([])
    expect(bus.notices).toEqual(['replayed h 1', 'succeeded h 1'])
    expect(bus.contexts.map(({ replayed, attempt, id: of }) => [of, attempt, replayed])).toEqual([
      ['1', 1, false],
      ['1', 1, true],
    ])
  })

  test('runs as the next of its key, before what waits there, after what runs', async () => {
    const gate = Promise.withResolvers<void>()
    const bus = new ScriptedBus()
    const runs: string[] = []
    const failed = new Set<string>()
    bus.dp.events.bind('x', async (_event, { context }) => {
      runs.push(`${context.id}${context.replayed ? ' again' : ''}`)
      if (context.id === '3') await gate.promise
      if (context.id > '2' || failed.has(context.id)) return
      failed.add(context.id)
      throw boom
    })
    await bus.dp.start()
    for (const id of ['1', '2', '3', '4', '5']) await bus.tell(id, 'a')
    expect(runs).toEqual(['1', '2', '3'])
    expect(await bus.dp.deadLetters.replay({ key: 'a' })).toBe(2)
    gate.resolve()
    await bus.rest()
    expect(runs.slice(3)).toEqual(['1 again', '2 again', '4', '5'])
  })

  test('is put back when it fails, as the newest, under its id', async () => {
    const worse = new Error('worse')
    const bus = new ScriptedBus()
    bus.bind('h', { 1: [boom, worse], 2: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    await bus.tell('2')
    const before = await only(bus)
    const outcomes = await bus.dp.deadLetters.replay(before.id, { waitForResponse: true })
    expect(outcomes).toMatchObject([{ status: 'dead', error: worse }])
    expect(await ids(bus)).toEqual(['h 2', 'h 1'])
    const after = await bus.dp.deadLetters.get(before.id)
    expect(after).toMatchObject({ error: worse, isReplaying: false, attempts: [{ error: boom }, { error: worse }] })
    expect(before).toMatchObject({ error: boom, attempts: [{}] }) // What was listed does not change.
  })

  test('of a filter is of all that match, in the order of their deaths', async () => {
    const bus = await busWith(['1', 'a'], ['2', 'b'], ['3', 'a'])
    expect(await bus.dp.deadLetters.replay({ key: 'a' }, { waitForResponse: true })).toMatchObject([
      { value: 'h 1' },
      { value: 'h 3' },
    ])
    expect(await ids(bus)).toEqual(['h 2'])
  })

  test('is done once: while it runs it is refused by its id, and passed over by a filter', async () => {
    const bus = await busWith(['1'])
    const { id } = await only(bus)
    const first = bus.dp.deadLetters.replay(id)
    await expect(bus.dp.deadLetters.replay(id)).rejects.toThrow(`The dead letter '${id}' is being replayed.`)
    await expect(bus.dp.deadLetters.discard(id)).rejects.toMatchObject({ code: 'DEAD_LETTER_UNAVAILABLE' })
    expect(await bus.dp.deadLetters.replay({})).toBe(0)
    expect(await first).toBe(1)
    await bus.rest()
    expect(bus.runs).toEqual(['h 1', 'h 1'])
  })

  test.each([
    ['replay', (dp: Dispatcher) => dp.deadLetters.replay('nobody')],
    ['discard', (dp: Dispatcher) => dp.deadLetters.discard('nobody')],
    ['editAndReplay', (dp: Dispatcher) => dp.deadLetters.editAndReplay('nobody', () => ({ message: 'x' }))],
  ])('%s of an id that is not there is refused', async (_, act) => {
    const bus = await busWith(['1'])
    await expect(act(bus.dp)).rejects.toMatchObject({
      code: 'DEAD_LETTER_UNAVAILABLE',
      message: 'There is no dead letter with the id "nobody". See dp.deadLetters.list().',
    })
  })

  test('stopped before its end, it is a dead letter as before', async () => {
    const bus = new ScriptedBus()
    bus.listen('stopped')
    let runs = 0
    bus.dp.events.bind('x', () => {
      runs += 1
      return runs === 1 ? Promise.reject(boom) : new Promise<void>(() => {})
    })
    await bus.dp.start()
    await bus.tell('1', 'a')
    const outcomes = bus.dp.deadLetters.replay({}, { waitForResponse: true })
    await bus.rest()
    const stopped = bus.dp.stop({ deadlineMs: 5 })
    await bus.rest()
    await bus.pass(5)
    await stopped
    expect(await outcomes).toMatchObject([{ status: 'stopped' }])
    expect(await letters(bus)).toMatchObject([{ isReplaying: false, error: boom }])
  })

  test('has what is opened for each attempt opened anew, also after a new start', async () => {
    const bus = new ScriptedBus()
    let opened = 0
    const connection = factory('connection', () => (opened += 1))
    bus.dp.events.bind('x', (_event, { connection: n }) => (n === 1 ? Promise.reject(boom) : undefined), {
      inject: { connection },
    })
    await bus.dp.start()
    await bus.tell('1')
    await bus.dp.stop()
    await bus.dp.start()
    expect(await bus.dp.deadLetters.replay({}, { waitForResponse: true })).toMatchObject([{ status: 'done' }])
    expect(opened).toBe(2)
  })
})

describe('editAndReplay()', () => {
  class Charge extends defineEvent<{ card: string; amount: number }>('test.charge') {}

  async function charged() {
    const bus = new ScriptedBus()
    const seen: string[] = []
    bus.dp.events.bind(Charge, ({ card }, { context }) => {
      seen.push(`${card} ${context.headers['by'] ?? ''} ${context.key}`)
      if (card !== 'good') throw boom
    })
    await bus.dp.start()
    const charge = new Charge({ card: 'bad', amount: 5 })
    await bus.dp.publish(charge, { key: 'k', headers: { by: 'shop' } })
    await bus.rest()
    const { id } = await only(bus)
    return { bus, seen, id, charge }
  }

  test('replays another message in its place', async () => {
    const { bus, seen, id, charge } = await charged()
    const outcome = await bus.dp.deadLetters.editAndReplay(
      id,
      ({ envelope }) => ({ message: new Charge({ card: 'good', amount: (envelope.message as Charge).amount }) }),
      { waitForResponse: true },
    )
    expect(outcome).toMatchObject({ status: 'done' })
    expect(seen).toEqual(['bad shop k', 'good shop k'])
    expect(charge.card).toBe('bad')
    expect(await letters(bus)).toEqual([])
  })

  test('is refused where the letter has gone meanwhile', async () => {
    const { bus, seen, id } = await charged()
    const edited = bus.dp.deadLetters.editAndReplay(id, async () => {
      await bus.dp.deadLetters.discard(id)
      return { message: new Charge({ card: 'good', amount: 1 }) }
    })
    await expect(edited).rejects.toMatchObject({ code: 'DEAD_LETTER_UNAVAILABLE' })
    await bus.rest()
    expect(seen).toHaveLength(1)
  })

  test('keeps every attempt, also of a replay that failed while it was being edited', async () => {
    const { bus, id } = await charged()
    await bus.dp.deadLetters.editAndReplay(
      id,
      async () => {
        await bus.dp.deadLetters.replay(id, { waitForResponse: true })
        return { message: new Charge({ card: 'worse', amount: 1 }) }
      },
      { waitForResponse: true },
    )
    expect((await only(bus)).attempts.map(({ replay }) => replay)).toEqual([0, 1, 2])
  })

  test('can change the headers; what was edited is kept when it fails again', async () => {
    const { bus, seen, id } = await charged()
    const message = new Charge({ card: 'worse', amount: 1 })
    await bus.dp.deadLetters.editAndReplay(id, async () => ({ message, headers: { by: 'hand' } }))
    await bus.rest()
    expect(seen[1]).toBe('worse hand k')
    expect(await letters(bus)).toMatchObject([
      { id, envelope: { message, headers: { by: 'hand' } }, attempts: [{}, {}] },
    ])
  })

  test.each([
    ['another type', () => ({ message: 'x' }), 'INVALID_MESSAGE', "is of 'test.charge', and was edited to be 'x'"],
    [
      'nothing',
      () => undefined,
      'INVALID_OPTION',
      'The edit of a dead letter gave undefined. Give an object: { message }.',
    ],
    [
      'the message itself',
      () => new Charge({ card: 'good', amount: 1 }),
      'INVALID_OPTION',
      'gave an instance of Charge. Give an object: { message }.',
    ],
    ['no message', () => ({ message: { card: 'good' } }), 'INVALID_MESSAGE', 'a plain object is no message'],
    [
      'headers that are none',
      () => ({ message: new Charge({ card: 'good', amount: 1 }), headers: { n: 1 } }),
      'INVALID_OPTION',
      "The header 'n' is 1.",
    ],
  ])('refuses %s, and nothing has changed', async (_, edit, code, text) => {
    const { bus, seen, id } = await charged()
    const before = await letters(bus)
    await expect(bus.dp.deadLetters.editAndReplay(id, edit as never)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text) as string,
    })
    await expect(bus.dp.deadLetters.editAndReplay(id, () => Promise.reject(boom))).rejects.toBe(boom)
    expect(await letters(bus)).toEqual(before)
    expect(seen).toHaveLength(1)
  })
})

test.each<[string, (dp: Dispatcher) => Promise<unknown>, string]>([
  [
    'discard(undefined)',
    (dp) => dp.deadLetters.discard(undefined as never),
    'deadLetters.discard() was given undefined. Pass the id of a dead letter, or a filter.',
  ],
  [
    'discard() of an unknown key',
    (dp) => dp.deadLetters.discard({ key: undefined } as never),
    "The filter 'key' is undefined.",
  ],
  [
    'replay() of an unknown key',
    (dp) => dp.deadLetters.replay({ key: undefined } as never),
    "The filter 'key' is undefined.",
  ],
  [
    'replay({ id })',
    (dp) => dp.deadLetters.replay({ id: 'x' } as never),
    "deadLetters.replay() has no option 'id'. It has: handler,",
  ],
  ['erase({})', (dp) => dp.deadLetters.erase({} as never), "The filter 'key' is undefined."],
  [
    'erase() of an unknown key',
    (dp) => dp.deadLetters.erase({ key: undefined } as never),
    "The filter 'key' is undefined.",
  ],
  ['erase() of a text', (dp) => dp.deadLetters.erase('a' as never), 'The options of deadLetters.erase() are "a".'],
  [
    'erase() of something else',
    (dp) => dp.deadLetters.erase({ keys: 'a' } as never),
    "deadLetters.erase() has no option 'keys'.",
  ],
  [
    'an edit that is none',
    (dp) => dp.deadLetters.editAndReplay('x', undefined as never),
    'edit is undefined. Pass a function that gives { message }.',
  ],
])('%s is refused, and nothing has changed', async (_, act, text) => {
  const bus = await busWith(['1', 'a'], ['2'])
  await expect(act(bus.dp)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining(text) as string,
  })
  expect(await ids(bus)).toEqual(['h 1', 'h 2'])
})

describe('discard() and erase()', () => {
  test('discard() gives up those that match, each with a notice', async () => {
    const bus = await busWith(['1', 'a'], ['2', 'b'], ['3', 'a'])
    bus.listen('dropped')
    expect(await bus.dp.deadLetters.discard({ key: 'a' })).toBe(2)
    expect(bus.notices).toEqual(['dropped h 1', 'dropped h 3'])
    expect(await ids(bus)).toEqual(['h 2'])
  })

  test('erase() removes what there is of a key, also what is parked, and says only how many', async () => {
    const bus = new ScriptedBus({ onDead: 'park' })
    bus.bind('h', { 1: [boom], 9: [boom] })
    bus.bind('other', { 1: [boom] }, { onDead: 'continue' })
    bus.listen('dropped', 'erased')
    await bus.dp.start()
    for (const [id, key] of [
      ['1', 'a'],
      ['2', 'a'],
      ['9', 'b'],
    ] as const)
      await bus.tell(id, key)
    expect(await bus.dp.deadLetters.erase({ key: 'a' })).toBe(3)
    expect(bus.notices).toEqual(['erased'])
    expect(bus.logger.info.mock.calls).toEqual([
      [{ letters: 2, parked: 1 }, '2 dead letters were erased, and 1 messages parked behind them.'],
    ])
    expect(await ids(bus)).toEqual(['h 9'])
    await bus.tell('3', 'a')
    expect(bus.runs).toEqual(['h 1', 'other 1', 'other 2', 'h 9', 'other 9', 'h 3', 'other 3'])
    await bus.dp.stop()
  })
})

describe('redact', () => {
  class Paid extends defineEvent<{ card: string; amount: number }>('test.paid') {}

  test('is asked when the letter is written: what it took out is in no notice of it and no list', async () => {
    const bus = new ScriptedBus({
      redact: (letter) => {
        const { amount } = letter.message as Paid
        letter.message = new Paid({ card: '****', amount })
        letter.headers = {}
        letter.attempts = letter.attempts.map((attempt) => ({ ...attempt, error: new Error('redacted') }))
      },
    })
    bus.dp.events.bind(Paid, ({ card }) => {
      throw new Error(`no such card: ${card}`)
    })
    await bus.dp.start()
    const paid = new Paid({ card: '4711', amount: 5 })
    await bus.dp.publish(paid, { headers: { ip: '4711' } })
    await bus.rest()
    const letter = await only(bus)
    expect(letter).toMatchObject({
      envelope: { message: { card: '****', amount: 5 }, headers: {} },
      error: { message: 'redacted' },
    })
    expect(JSON.stringify([letter, bus.logger.error.mock.calls])).not.toContain('4711')
    expect(bus.logger.error.mock.calls.map(([, text]) => text as string).join()).not.toContain('4711')
    expect(paid.card).toBe('4711') // Other handlers have the same object.
  })

  test('is asked for what is edited too: the replay has it whole, the letter has not, even if the replay is stopped', async () => {
    const bus = new ScriptedBus({
      redact: (letter) => {
        letter.message = new Paid({ card: '****', amount: 5 })
      },
    })
    const seen: string[] = []
    bus.dp.events.bind(Paid, ({ card }, { context }) => {
      seen.push(card)
      return context.replayed ? new Promise<void>(() => {}) : Promise.reject(boom)
    })
    await bus.dp.start()
    await bus.dp.publish(new Paid({ card: '4711', amount: 5 }))
    await bus.rest()
    const { id } = await only(bus)
    await bus.dp.deadLetters.editAndReplay(id, () => ({ message: new Paid({ card: '0815', amount: 5 }) }))
    expect(seen).toEqual(['4711', '0815'])
    expect(await only(bus)).toMatchObject({ isReplaying: true, envelope: { message: { card: '****' } } })
    const stopped = bus.dp.stop({ deadlineMs: 5 })
    await bus.rest()
    await bus.pass(5)
    await stopped
    expect(await only(bus)).toMatchObject({ isReplaying: false, envelope: { message: { card: '****' } } })
  })

  test.each<[string, Redact, string]>([
    ['is asynchronous', () => Promise.reject(boom), 'redact is asynchronous'],
    [
      'leaves no message',
      (letter) => {
        letter.message = undefined as never
      },
      'undefined is no message.',
    ],
    [
      'leaves headers that are none',
      (letter) => {
        letter.headers = { n: 1 } as never
      },
      "The header 'n' is 1.",
    ],
  ])('that %s is a critical notice, and the letter is kept as it is', async (_, redact, text) => {
    const bus = new ScriptedBus({ redact })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    expect(await letters(bus)).toMatchObject([{ envelope: { message: 'x' }, error: boom }])
    expect(bus.logger.error.mock.calls[0]?.[1]).toContain(text)
  })

  test('may leave no attempt: then no error is kept either', async () => {
    const bus = new ScriptedBus({
      redact: (letter) => {
        letter.attempts = []
      },
    })
    bus.bind('h', { 1: [new Error('card 4711 declined')] })
    await bus.dp.start()
    await bus.tell('1')
    expect(await letters(bus)).toMatchObject([{ attempts: [], error: { message: 'The attempts were redacted.' } }])
    expect(bus.logger.error.mock.calls.map(([, said]) => said as string).join()).not.toContain('4711')
  })

  test('that throws loses nothing: the letter is kept as it is, and a critical notice says so', async () => {
    const bus = new ScriptedBus({
      redact: () => {
        throw new Error('in redact')
      },
    })
    bus.bind('h', { 1: [boom] })
    bus.listen('redactFailed', 'dead')
    await bus.dp.start()
    await bus.tell('1')
    expect(bus.notices).toEqual(['redactFailed h 1', 'dead h 1'])
    expect(await letters(bus)).toMatchObject([{ envelope: { id: '1' }, error: boom }])
    expect(bus.logger.error.mock.calls[0]?.[0]).toMatchObject({ critical: true })
  })
})

test('a logger that throws at a dead letter loses nothing', async () => {
  const bus = new ScriptedBus()
  bus.logger.error.mockImplementation(() => {
    throw new Error('disk full')
  })
  bus.bind('h', { 1: [boom] })
  await bus.dp.start()
  const warned = new Promise((resolve) => process.once('warning', resolve))
  await bus.tell('1')
  expect(await letters(bus)).toMatchObject([{ error: boom }])
  expect(await warned).toMatchObject({
    message: expect.stringContaining('The logger of iambus threw (disk full)') as string,
  })
})
