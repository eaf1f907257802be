import { AsyncLocalStorage } from 'node:async_hooks'
import { NonDeterministic } from './failures.ts'

/** Which handler the code that runs belongs to. */
const handling = new AsyncLocalStorage<string>()

/** Runs an attempt of a handler, so that what it does is known for its own. */
export function asHandler<T>(handler: string, run: () => T): T {
  return handling.run(handler, run)
}

/** What to use instead. */
const remedies: Readonly<Record<string, string>> = {
  'Date.now()': 'the time of its message (context.time), or the clock that the simulation gives to your program',
  'new Date()': 'the time of its message (context.time), or the clock that the simulation gives to your program',
  'performance.now()': 'the clock that the simulation gives to your program',
  'Math.random()': 'the random() that the simulation gives to your program',
  'crypto.randomUUID()': 'the id of its message (context.id), which is the same each time that it is tried',
  'setTimeout()': 'a delayed message, or the clock that the simulation gives to your program',
  'setInterval()': 'a schedule',
  'setImmediate()': 'a promise',
  'fetch()': 'something that your program is given, and give it a remote() of the simulation',
}

/** Notices when a handler asks the world for what no seed decides. */
export class GlobalsWatch {
  readonly #restore: (() => void)[] = []
  #found: NonDeterministic | undefined

  constructor() {
    for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'fetch'] as const) {
      this.#watch(globalThis, name, `${name}()`)
    }
    this.#watch(Math, 'random', 'Math.random()')
    this.#watch(performance, 'now', 'performance.now()')
    this.#watch(crypto, 'randomUUID', 'crypto.randomUUID()')
    const { Date: RealDate } = globalThis
    const now = this.#around(RealDate, RealDate.now, 'Date.now()')
    const watched = new Proxy(RealDate, {
      construct: (target, given, newTarget) => {
        if (given.length === 0) this.#found ??= found('new Date()')
        return Reflect.construct(target, given, newTarget) as object
      },
      get: (target, name, receiver): unknown => (name === 'now' ? now : Reflect.get(target, name, receiver)),
    })
    globalThis.Date = watched
    this.#restore.push(() => {
      if (globalThis.Date === watched) globalThis.Date = RealDate
    })
  }

  /** What was found since it was asked last. */
  take(): NonDeterministic | undefined {
    const taken = this.#found
    this.#found = undefined
    return taken
  }

  end(): void {
    for (const restore of this.#restore) restore()
  }

  #watch(owner: object, name: string, call: string): void {
    const before = Object.getOwnPropertyDescriptor(owner, name)
    const value = Reflect.get(owner, name) as (...given: unknown[]) => unknown
    const watched = this.#around(owner, value, call)
    // What the function has besides, as `setTimeout` has `util.promisify.custom`, stays with it.
    Object.defineProperties(watched, Object.getOwnPropertyDescriptors(value))
    Object.defineProperty(owner, name, { value: watched, configurable: true, writable: true })
    this.#restore.push(() => {
      if (Reflect.get(owner, name) !== watched) return
      if (before === undefined) Reflect.deleteProperty(owner, name)
      else Object.defineProperty(owner, name, before)
    })
  }

  #around<F extends (...given: never[]) => unknown>(owner: object, call: F, name: string): F {
    const watched = (...given: Parameters<F>): unknown => {
      this.#found ??= found(name)
      return Reflect.apply(call, owner, given)
    }
    return watched as F
  }
}

function found(call: string): NonDeterministic | undefined {
  const handler = handling.getStore()
  if (handler === undefined) return undefined
  const at =
    new Error('here').stack
      ?.split('\n')
      .find((line) => !/determinism\.[jt]s|Error: here/.test(line))
      ?.trim() ?? ''
  return new NonDeterministic(
    `${handler} calls ${call} (${at}), which no seed decides: the run cannot be repeated. Let it use ${remedies[call]}.`,
  )
}

/** What a process is busy with outside, as `process.getActiveResourcesInfo()` calls it: requests to files and networks. */
const outside =
  /^(FS|TCP|UDP|GetAddrInfo|GetNameInfo|QueryReq|HTTP|Pipe(Connect)|TLS|Zlib|Worker|Process|ShutdownWrap|WriteWrap)/

/** How many requests to the world outside are under way. */
export function requestsOutside(): readonly string[] {
  return process.getActiveResourcesInfo().filter((name) => outside.test(name))
}
