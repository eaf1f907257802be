import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { type Context, type Delivery, Dispatcher, Engine, type EngineParts } from '../index.ts'

/** What a message makes its handler do: publish through the dispatcher, record through its context, then end. */
interface Act {
  readonly ends: 'when told' | 'at once' | 'throwing'
  readonly outside: readonly Note[]
  readonly causes: readonly Note[]
}
/** A message: its type, its key (`undefined` inherits, `null` sheds), and what it makes its handlers do. */
interface Note {
  readonly type: keyof typeof classes
  readonly key: string | null | undefined
  readonly act: Act
}

class Numbered {
  readonly n: number
  readonly act: Act
  /** Whether a context recorded it. */
  readonly isCaused: boolean
  constructor(n: number, act: Act, isCaused: boolean) {
    this.n = n
    this.act = act
    this.isCaused = isCaused
  }
}
const classes = {
  E: class E extends Numbered {},
  F: class F extends Numbered {},
  C: class C extends Numbered {},
  D: class D extends Numbered {},
  Q: class Q extends Numbered {},
}
const handlersOf: Record<keyof typeof classes, readonly string[]> = {
  E: ['events/e', 'events/both'],
  F: ['events/both', 'events/f'],
  C: ['commands/c'],
  D: ['commands/d'],
  Q: ['queries/q'],
}
const poolsOf = (handler: string): string[] => ['', handler.slice(0, handler.indexOf('/')), handler]
const pools = [...new Set(Object.values(handlersOf).flat().flatMap(poolsOf))]

// Times are multiples of 20 ms but for these, which never fall due at the same time for one delivery.
const STEP_MS = 20
const TICK_MS = 5
const HANDLER_MS = 50
const CALLER_MS = 35
const STALL_MS = 65
const STOP_MS = 45
const withTimeout = ['events/f', 'commands/d']

/** A delivery, as the model knows it. */
interface Item {
  readonly id: string
  readonly handler: string
  readonly key: string | undefined
  readonly caller: Caller | undefined
  startedAt?: number
  givenUpAt?: number
  reason?: string
  isForgotten?: boolean
  end?: (fails: boolean) => void
  signal?: AbortSignal
}
/** Whoever waits for the end of a delivery. */
interface Caller {
  readonly isRequest: boolean
  readonly untilMs: number | undefined
  /** Whether it has the very promise of its handler: then it is told of nothing before that is settled. */
  isDirect: boolean
  /** What it waits for, and what each of these has come to. */
  readonly handlers: readonly string[]
  readonly told: Map<string, string>
  /** What it is told at once. */
  atOnce?: string
}

const answerTo = ({ handlers, told, atOnce }: Caller): string => {
  if (atOnce !== undefined) return atOnce
  return handlers.every((handler) => told.has(handler)) ? handlers.map((handler) => told.get(handler)).join() : ''
}

type Addressed = Pick<Note, 'type' | 'key'> & Pick<Item, 'caller'> & { readonly inherited?: string | undefined }

/**
 * The engine, naively. It is told what happens and says what is wrong with that; which of several ready deliveries is
 * next is left open. Afterwards nothing that could start may be left.
 */
class Model {
  now = 0
  state: 'started' | 'stopping' | 'stopped' = 'started'
  readonly limits = new Map<string, number>()
  /** In the order of their places. */
  waiting: Item[] = []
  running: Item[] = []
  /** Caused deliveries that have to take their places next, in this order. */
  readonly due: Item[] = []
  readonly notices: string[] = []
  readonly faults: string[] = []
  #stopAt: number | undefined

  hasRoom(pool: string): boolean {
    const active = this.running.filter(({ handler }) => poolsOf(handler).includes(pool))
    return active.length < (this.limits.get(pool) ?? Number.POSITIVE_INFINITY)
  }

  canStart(item: Item): boolean {
    const earlier = this.waiting.slice(0, this.waiting.indexOf(item))
    const before = item.key === undefined ? earlier : [...earlier, ...this.running]
    const isNext = !before.some(({ handler, key }) => handler === item.handler && key === item.key)
    return isNext && poolsOf(item.handler).every((pool) => this.hasRoom(pool))
  }

  started(id: string): Item {
    const item = this.waiting.find((one) => one.id === id)
    if (item === undefined) throw this.fault(`${id} starts, and does not wait`)
    if (!this.canStart(item)) this.fault(`${id} starts, and may not`)
    this.waiting = this.waiting.filter((one) => one !== item)
    this.running.push(item)
    item.startedAt = this.now
    return item
  }

  ended(item: Item, fails: boolean, causes: readonly Item[]): void {
    this.running = this.running.filter((one) => one !== item)
    if (item.reason !== undefined) {
      this.notices.push(`late ${item.id}`)
      item.caller?.told.set(item.handler, item.reason)
    } else if (fails) this.#fails(item, 'boom')
    else {
      item.caller?.told.set(item.handler, 'done')
      this.due.push(...causes)
    }
  }

  giveUp(item: Item, reason: string): void {
    if (item.reason !== undefined) return
    item.reason = reason
    item.givenUpAt = this.now
    this.waiting = this.waiting.filter((one) => one !== item)
    if (!item.caller?.isDirect) item.caller?.told.set(item.handler, reason)
  }

  stop(): void {
    this.state = 'stopping'
    this.#stopAt = this.now + STOP_MS
  }

  /** Lets a bit of time pass. */
  tick(): void {
    this.now += TICK_MS
    for (const item of [...this.waiting, ...this.running]) {
      if (item.caller?.untilMs === this.now) this.giveUp(item, 'TIMED_OUT')
      if (!item.isForgotten && item.givenUpAt === this.now - STALL_MS) this.notices.push(`stalled ${item.id}`)
      const isLate = withTimeout.includes(item.handler) && item.startedAt === this.now - HANDLER_MS
      if (!isLate || item.reason !== undefined) continue
      this.#fails(item, 'TIMED_OUT')
      this.giveUp(item, 'TIMED_OUT')
    }
    if (this.state === 'stopping' && this.#stopAt === this.now) this.#stopNow()
  }

  /** What has to hold when nothing more happens by itself. */
  rest(): void {
    if (this.state === 'stopping' && this.inFlight === 0) this.state = 'stopped'
    for (const item of this.waiting) if (this.canStart(item)) this.fault(`${item.id} could start, and waits`)
    for (const { id } of this.due) this.fault(`${id} was not let go`)
  }

  get inFlight(): number {
    return this.waiting.length + this.running.filter(({ isForgotten }) => !isForgotten).length
  }

  fault(text: string): Error {
    this.faults.push(text)
    return new Error(text)
  }

  #fails(item: Item, reason: string): void {
    this.notices.push(`failed ${item.id}`)
    if (!item.caller?.isRequest) this.notices.push(`dead ${item.id}`)
    item.caller?.told.set(item.handler, reason)
  }

  #stopNow(): void {
    for (const item of [...this.waiting, ...this.running]) {
      if (item.reason === undefined) this.notices.push(`stopped ${item.id}`)
      this.giveUp(item, 'STOPPED')
    }
    for (const item of this.running) item.isForgotten = true
    this.state = 'stopped'
  }
}

type Action =
  | { readonly do: 'publish'; readonly note: Note; readonly waits: boolean }
  | { readonly do: 'request'; readonly note: Note; readonly patience: 'none' | 'signal' | 'timeout' }
  | { readonly do: 'end'; readonly which: number; readonly fails: boolean }
  | { readonly do: 'abort'; readonly which: number }
  | { readonly do: 'advance'; readonly steps: number }
  | { readonly do: 'limit'; readonly pool: string; readonly workers: number }
  | { readonly do: 'stop' }
  | { readonly do: 'start' }

/** The real engine, with its model. */
class World {
  readonly model = new Model()
  readonly clock = new ManualClock()
  readonly dp: Dispatcher
  engine!: Engine
  readonly #notices: string[] = []
  readonly #real = new Map<Caller, string>()
  readonly #aborts: { readonly abort: AbortController; readonly item: Item }[] = []
  /** What takes its place within the call that is being made. */
  #placing: Item[] = []
  #count = 0
  #stopped = true
  #calling = false

  constructor() {
    const world = this
    class Recording extends Engine {
      constructor(parts: EngineParts) {
        super(parts)
        world.engine = this
      }
      protected override place(delivery: Delivery): boolean {
        world.placed(delivery)
        return super.place(delivery)
      }
    }
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    this.dp = new Dispatcher({ logger, clock: this.clock, engine: Recording, stallAfterMs: STALL_MS })
    const { E, F, C, D, Q } = classes
    const timeoutMs = HANDLER_MS
    this.dp.events.bind(E, (message, { context }) => this.#handle(message, context), { name: 'e' })
    this.dp.events.bind([E, F], (message, { context }) => this.#handle(message, context), { name: 'both' })
    this.dp.events.bind(F, (message, { context }) => this.#handle(message, context), { name: 'f', timeoutMs })
    this.dp.commands.bind(C, (message, { context }) => this.#handle(message, context), { name: 'c' })
    this.dp.commands.bind(D, (message, { context }) => this.#handle(message, context), { name: 'd', timeoutMs })
    this.dp.queries.bind(Q, (message, { context }) => this.#handle(message, context), { name: 'q' })
  }

  /** Does one after the other, and gives each time what is the case, and what should be. */
  async *run(actions: readonly Action[]): AsyncGenerator<{ readonly real: object; readonly expected: object }> {
    const names = ['dead', 'failed', 'late', 'stalled', 'stopped']
    const listeners = names.map((name) => [`iambus:${name}`, this.#listener(name)] as const)
    for (const [channel, listener] of listeners) subscribe(channel, listener)
    try {
      await this.dp.start()
      for (const action of actions) {
        await this.#act(action)
        yield await this.#compared(action)
      }
      while (this.model.running.length > 0) {
        await this.#act({ do: 'end', which: 0, fails: false })
        yield await this.#compared('the end')
      }
      this.clock.advance(STALL_MS * 2)
      const { inFlight } = this.engine.census
      yield { real: { inFlight, timers: this.clock.timers }, expected: { inFlight: 0, timers: 0 } }
    } finally {
      for (const [channel, listener] of listeners) unsubscribe(channel, listener)
    }
  }

  async #act(action: Action): Promise<void> {
    const { model, dp } = this
    switch (action.do) {
      case 'publish':
        this.#publish(action.note, action.waits)
        break
      case 'request':
        this.#request(action.note, action.patience)
        break
      case 'end':
        model.running.at(action.which % (model.running.length || 1))?.end?.(action.fails)
        break
      case 'abort': {
        const [caller] = this.#aborts.splice(action.which % (this.#aborts.length || 1), 1)
        caller?.abort.abort()
        if (caller === undefined || ![...model.waiting, ...model.running].includes(caller.item)) break
        model.giveUp(caller.item, 'ABORTED')
        break
      }
      case 'advance':
        for (let ms = 0; ms < action.steps * STEP_MS; ms += TICK_MS) {
          this.clock.advance(TICK_MS)
          model.tick()
          await nextTurn()
        }
        break
      case 'limit': {
        const { pool, workers } = action
        model.limits.set(pool, workers)
        const limit = pool === '' ? dp.limits : isRouter(pool) ? dp.limits[pool] : dp.limits.handler(pool)
        limit.workers = workers
        break
      }
      case 'stop':
        if (model.state !== 'started') break
        model.stop()
        this.#stopped = false
        void dp.stop({ deadlineMs: STOP_MS }).then(() => (this.#stopped = true))
        break
      case 'start':
        if (model.state !== 'stopped') break
        model.state = 'started'
        void dp.start()
        break
    }
  }

  #publish({ type, key, act }: Note, waits: boolean): void {
    const message = this.#message(type, act, false)
    const isEvent = type === 'E' || type === 'F'
    if (waits && isEvent) {
      const caller = this.#caller(handlersOf[type])
      this.#taking(message, { type, key, caller }, async () => {
        const outcomes = await this.dp.publish(message, { key, waitForResponse: true })
        return outcomes.map(({ status, error }) => codeOf(error) ?? status).join()
      })
    } else {
      this.#taking(message, { type, key, caller: undefined }, async () => {
        await (isEvent ? this.dp.publish(message, { key }) : this.dp.handle(message, { key }))
        return 'accepted'
      })
    }
  }

  #request({ type, key, act }: Note, patience: 'none' | 'signal' | 'timeout'): void {
    const message = this.#message(type, act, false)
    const abort = new AbortController()
    const signal = patience === 'signal' ? abort.signal : undefined
    const timeoutMs = patience === 'timeout' ? CALLER_MS : undefined
    const caller = this.#caller(handlersOf[type], { timeoutMs })
    const options = { key, signal, timeoutMs }
    const items = this.#taking(
      message,
      { type, key, caller },
      () => this.dp.request(message, options) as Promise<string>,
    )
    for (const item of items) {
      caller.isDirect = patience === 'none' && item.startedAt !== undefined && !withTimeout.includes(item.handler)
      if (patience === 'signal') this.#aborts.push({ abort, item })
    }
  }

  /** A call from outside: all its deliveries take their places within it, in the order of the handlers, or none does. */
  #taking(message: Numbered, to: Addressed, call: () => Promise<string>): Item[] {
    const isTaken = this.model.state === 'started'
    const items = isTaken ? this.#items(message, to) : []
    const caller = to.caller ?? this.#caller([])
    if (to.caller === undefined) caller.atOnce = 'accepted'
    if (!isTaken) caller.atOnce = 'NOT_ACCEPTING'
    this.#placing = [...items]
    void call()
      .catch(codeOf)
      .then((answer) => this.#real.set(caller, String(answer)))
    for (const { id } of this.#placing) this.model.fault(`${id} has no place after the call`)
    return items
  }

  placed(delivery: Delivery): void {
    const { isCaused, n } = delivery.message as Numbered
    const item = (isCaused ? this.model.due : this.#placing).shift()
    const id = `${delivery.handler} ${n}`
    if (item?.id !== id || item.key !== delivery.key) this.model.fault(`${id} takes the place of ${item?.id}`)
    if (item !== undefined) this.model.waiting.push(item)
  }

  #handle(message: Numbered, context: Context): string | Promise<string> {
    if (this.#calling) this.model.fault(`${context.handler} ${message.n} is called within the call of another`)
    this.#calling = true
    try {
      return this.#called(message, context)
    } finally {
      this.#calling = false
    }
  }

  #called(message: Numbered, context: Context): string | Promise<string> {
    const { model } = this
    const item = model.started(`${context.handler} ${message.n}`)
    for (const note of message.act.outside) this.#publish(note, false)
    const causes = message.act.causes.flatMap(({ type, key, act }) => {
      const caused = this.#message(type, act, true)
      if (type === 'E' || type === 'F') context.publish(caused, { key })
      else context.send(caused, { key })
      return this.#items(caused, { type, key, inherited: context.key, caller: undefined })
    })
    const { ends } = message.act
    if (ends !== 'when told') {
      model.ended(item, ends === 'throwing', causes)
      if (ends === 'throwing') throw new Error('boom')
      return 'done'
    }
    item.signal = context.signal
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    item.end = (fails) => {
      model.ended(item, fails, causes)
      if (fails) reject(new Error('boom'))
      else resolve('done')
    }
    return promise
  }

  /** Lets everything happen that happens by itself, then compares. */
  async #compared(action: unknown): Promise<{ readonly real: object; readonly expected: object }> {
    await nextTurn()
    const { model, engine } = this
    model.rest()
    const idsOf = (deliveries: readonly Delivery[]): string[] =>
      deliveries.map(({ handler, message }) => `${handler} ${(message as Numbered).n}`).sort()
    const ids = (items: readonly Item[]): string[] => items.map(({ id }) => id).sort()
    const unfinished = [...model.waiting, ...model.running].filter(({ reason }) => reason === undefined)
    const expected = {
      after: action,
      faults: [],
      running: ids(model.running),
      unfinished: ids(unfinished),
      waiting: model.waiting.length,
      inFlight: model.inFlight,
      notices: model.notices.toSorted(),
      told: [...this.#real.keys()].map(answerTo),
      aborted: model.running.map(({ reason }) => reason !== undefined),
      stopped: model.state !== 'stopping',
    }
    const real = {
      after: action,
      faults: model.faults,
      running: idsOf(engine.running()),
      unfinished: idsOf(engine.unfinished()),
      waiting: engine.census.waiting,
      inFlight: engine.census.inFlight,
      notices: this.#notices.toSorted(),
      told: [...this.#real.values()],
      aborted: model.running.map(({ signal }) => signal?.aborted),
      stopped: this.#stopped,
    }
    return { real, expected }
  }

  #items(message: Numbered, to: Addressed): Item[] {
    const key = to.key === undefined ? to.inherited : (to.key ?? undefined)
    return handlersOf[to.type].map((handler): Item => ({
      id: `${handler} ${message.n}`,
      handler,
      key,
      caller: to.caller,
    }))
  }

  #message(type: keyof typeof classes, act: Act, isCaused: boolean): Numbered {
    this.#count += 1
    return new classes[type](this.#count, act, isCaused)
  }

  #caller(handlers: readonly string[], request?: { readonly timeoutMs: number | undefined }): Caller {
    const untilMs = request?.timeoutMs === undefined ? undefined : this.model.now + request.timeoutMs
    const isRequest = request !== undefined
    const caller: Caller = { isRequest, untilMs, isDirect: false, handlers, told: new Map() }
    this.#real.set(caller, '')
    return caller
  }

  #listener(name: string) {
    return (notice: unknown): void => {
      const { envelope, handler } = notice as { envelope: { message: Numbered }; handler: string }
      this.#notices.push(`${name} ${handler} ${envelope.message.n}`)
    }
  }
}

const codeOf = (error: unknown): string | undefined => {
  const { code, message } = (error ?? {}) as { code?: string; message?: string }
  return code ?? message
}

const isRouter = (pool: string): pool is 'events' | 'commands' | 'queries' =>
  pool === 'events' || pool === 'commands' || pool === 'queries'

const leaf = fc.record({
  ends: fc.constantFrom<Act['ends']>('when told', 'when told', 'at once', 'throwing'),
  outside: fc.constant([]),
  causes: fc.constant([]),
})
const noteOf = (act: fc.Arbitrary<Act>): fc.Arbitrary<Note> =>
  fc.record({
    type: fc.constantFrom('E', 'F', 'C', 'D', 'Q'),
    key: fc.constantFrom(undefined, null, 'a', 'a', 'b'),
    act,
  })
const tellable = (notes: fc.Arbitrary<Note>): fc.Arbitrary<Note> => notes.filter(({ type }) => type !== 'Q')
const act = fc.oneof(
  { weight: 2, arbitrary: leaf },
  {
    weight: 1,
    arbitrary: fc.record({
      ends: fc.constantFrom<Act['ends']>('when told', 'at once', 'throwing'),
      outside: fc.array(noteOf(leaf), { maxLength: 2 }),
      causes: fc.array(tellable(noteOf(leaf)), { maxLength: 2 }),
    }),
  },
)
const which = fc.constantFrom(0, 1, 2, 3, -1)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 15, arbitrary: fc.record({ do: fc.constant('publish'), note: noteOf(act), waits: fc.boolean() }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('request'),
      note: noteOf(act).filter(({ type }) => type !== 'E' && type !== 'F'),
      patience: fc.constantFrom('none', 'signal', 'timeout'),
    }),
  },
  { weight: 18, arbitrary: fc.record({ do: fc.constant('end'), which, fails: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('abort'), which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('advance'), steps: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('limit'),
      pool: fc.constantFrom(...pools),
      workers: fc.constantFrom(1, 1, 2, 3, Number.POSITIVE_INFINITY),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start') }) },
)

describe('the engine, compared with a naive model of it,', () => {
  test('starts, ends, gives up, tells and reports the same, whatever is done to it in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60, size: 'max' }), async (actions) => {
        for await (const { real, expected } of new World().run(actions)) expect(real).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })
})
