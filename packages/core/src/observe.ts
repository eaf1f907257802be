import { AsyncLocalStorage } from 'node:async_hooks'
import { type Channel, channel } from 'node:diagnostics_channel'
import { asError, InvalidOption, shown } from './errors.ts'
import type { Envelope } from './message/envelope.ts'
import { type Notices, table } from './notices.ts'
import type { Logger } from './ports/logger.ts'

/**
 * A channel for each. To ask `hasSubscribers` first saves making a notice that nobody hears; asked of a constant of one's own
 * file, it costs next to nothing.
 */
export const channels = Object.fromEntries(Object.keys(table).map((name) => [name, channel(`iambus:${name}`)])) as {
  readonly [N in keyof Notices]: Channel
}

/** Whoever is publishing a notice right now. */
let speaking: Observer | undefined

/** How many notices are said in a row: a listener may cause more of them, and must not stop everything else. */
const IN_A_ROW = 10_000

/** Those that have something left to say. A process that exits must not take it along. */
const waiting = new Set<Observer>()
let isWatched = false

/**
 * Says the notices of one dispatcher. The only place that logs or emits. They are said in their order, as soon as whatever is
 * going on has come to its end: a logger or a listener may do anything, and must not find the engine half way.
 */
export class Observer {
  readonly #logger: Logger
  readonly #unsaid: (readonly [keyof Notices, Notices[keyof Notices]])[] = []
  /** The first of them that nobody has heard of yet. */
  #next = 0
  /** Outside of any handler's asynchronous context. */
  readonly #later = AsyncLocalStorage.bind(() => this.flush())

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Keeps a notice, to be said when what is going on has ended. */
  say<N extends keyof Notices>(name: N, notice: Notices[N]): void {
    if (this.#unsaid.push([name, notice]) > 1) return
    waiting.add(this)
    queueMicrotask(this.#later)
    if (isWatched) return
    isWatched = true
    process.on('exit', () => {
      for (const observer of waiting) observer.sayAll()
    })
  }

  /** Says what is left to say, and what its listeners cause, in its turn. */
  flush(): void {
    for (let said = 0; said < IN_A_ROW; said += 1) {
      const next = this.#unsaid[this.#next]
      if (next === undefined) break
      this.#next += 1 // Before anybody hears of it, who may end the process: what comes after it is said then.
      this.#speak(...next)
    }
    this.#unsaid.splice(0, this.#next)
    this.#next = 0
    if (this.#unsaid.length > 0) setImmediate(this.#later)
    else waiting.delete(this)
  }

  /** Says what is left when the process ends: writes all of it, before a listener can end it for good. */
  sayAll(): void {
    const left = this.#unsaid.splice(this.#next)
    for (const one of left) this.#log(...one)
    for (const [name, notice] of left) if (channels[name].hasSubscribers) this.#publish(name, notice)
  }

  #speak<N extends keyof Notices>(name: N, notice: Notices[N]): void {
    this.#log(name, notice)
    if (channels[name].hasSubscribers) this.#publish(name, notice)
  }

  #log<N extends keyof Notices>(name: N, notice: Notices[N]): void {
    const { level: given } = table[name]
    const level = typeof given === 'function' ? given(notice) : given
    if (level === 'none') return
    try {
      const isCritical = level === 'critical'
      const fields = isCritical ? { ...fieldsOf(notice), critical: true } : fieldsOf(notice)
      this.#logger[isCritical ? 'error' : level](fields, textOf(name, notice))
    } catch (error) {
      // A logger that fails must not fail anything; and what it was told must not vanish.
      process.emitWarning(`The logger of iambus threw (${asError(error).message}) when told: ${textOf(name, notice)}`)
    }
  }

  /**
   * Has a function told of each notice of this name, and of this observer. One that throws undoes nothing, and is a notice.
   * @returns a function that ends it.
   * @throws {InvalidOption} for a name that there is not, or what is no function.
   */
  listen<N extends keyof Notices>(name: N, listener: (notice: Notices[N]) => unknown): () => void {
    if (!Object.hasOwn(channels, name)) {
      throw new InvalidOption(`There is no notice ${shown(name)}. There are: ${Object.keys(channels).join(', ')}.`)
    }
    if (typeof listener !== 'function') throw new InvalidOption(`A listener is ${shown(listener)}. Pass a function.`)
    const failed = (thrown: unknown): void => this.#sayListenerFailed(name, asError(thrown))
    const heard = (notice: unknown): void => {
      if (speaking !== this) return
      try {
        const told: unknown = listener(notice as Notices[N]) // It is the channel of this name.
        if (told instanceof Promise) told.catch(failed)
      } catch (thrown) {
        failed(thrown)
      }
    }
    channels[name].subscribe(heard)
    return () => {
      channels[name].unsubscribe(heard)
    }
  }

  #publish<N extends keyof Notices>(name: N, notice: Notices[N]): void {
    const outer = speaking
    speaking = this
    try {
      channels[name].publish(notice)
    } finally {
      speaking = outer
    }
  }

  #sayListenerFailed(name: keyof Notices, error: Error): void {
    if (name !== 'listenerFailed') this.say('listenerFailed', { name, error })
    else process.emitWarning(`A listener to 'listenerFailed' threw: ${error.message}`) // It would be told of itself.
  }
}

/** In words, whatever the error in it is made of. */
function textOf<N extends keyof Notices>(name: N, notice: Notices[N]): string {
  try {
    return table[name].text(notice)
  } catch {
    return `A notice '${name}' that cannot be put into words.`
  }
}

/** A notice as flat fields, the error under `err` as pino and others expect it. */
function fieldsOf(notice: object): object {
  const { envelope, error, ...rest } = notice as { envelope?: Envelope; error?: Error }
  const message = envelope && { type: envelope.type, id: envelope.id, key: envelope.key }
  return { ...rest, ...message, ...(error && { err: error }) }
}
