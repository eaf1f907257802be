import type { Verb } from '../../delivery/verb.ts'
import { busOf, type Dispatcher } from '../../dispatcher.ts'
import type { Envelope } from '../../message/envelope.ts'
import type { DeliveryNotice, Notices } from '../../notices.ts'
import { causalTree } from './causal-tree.ts'
import type { RecordedDeadLetter, RecordedDelivery, RecordedMessage, RecordedOutcome } from './recorded.ts'

type Changing<T> = { -readonly [N in keyof T]: T[N] }
interface Message extends Changing<Omit<RecordedMessage, 'deliveries'>> {
  readonly deliveries: Delivery[]
}
interface Delivery extends Changing<Omit<RecordedDelivery, 'errors' | 'caused'>> {
  readonly errors: Error[]
  readonly caused: Message[]
}

const verbOf = { events: 'publish', commands: 'send', queries: 'request' } as const

/**
 * Records what happens in a dispatcher: each message that is accepted, each delivery and what becomes of it.
 *
 * It is told by notices, which come when whatever goes on has ended: after an `await`, not within the call.
 *
 * ```ts
 * const recorder = new Recorder(dp)
 * console.log(recorder.tree())
 * recorder.end()
 * ```
 */
export class Recorder {
  readonly #messages: Message[] = []
  readonly #deadLetters: RecordedDeadLetter[] = []
  /** One id can be used again; and the requests of one durable delivery share theirs. */
  readonly #byId = new Map<string, Message[]>()
  readonly #verbs = new Map<object | string, Verb>()
  readonly #ends: (() => void)[] = []
  readonly #nowMs: () => number
  /** Until when a store that failed is left alone. */
  #storeWaitsUntilMs = Number.NEGATIVE_INFINITY
  #said = 0
  #whenSaid: (() => void)[] = []

  /** @param dp one that has started tells less: whether a command was sent, or its answer asked for, is not known then. */
  constructor(dp: Dispatcher) {
    if (!busOf(dp).routers.frozen) {
      const outgoing = ({ verb, message }: { verb: Verb; message: object | string }, next: () => void): void => {
        this.#verbs.set(message, verb)
        next()
      }
      dp.use({ outgoing })
    }
    const hear = <N extends keyof Notices>(name: N, listener: (notice: Notices[N]) => void): void => {
      const end = dp.observe(name, (notice) => {
        listener(notice)
        this.#said += 1
        for (const resolve of this.#whenSaid.splice(0)) resolve()
      })
      this.#ends.push(end)
    }
    hear('accepted', ({ envelope, handlers }) => this.#accepted(envelope, handlers))
    hear('delayed', ({ envelope }) => this.#delayed(envelope))
    hear('cancelled', ({ id }) => this.#cancelled(id))
    hear('unhandled', ({ envelope }) => this.#unhandled(envelope))
    hear('started', (notice) => this.#started(notice))
    hear('succeeded', (notice) => void (this.#delivery(notice).outcome = 'done'))
    hear('failed', ({ error, outcome, ...notice }) => this.#failed(this.#delivery(notice), error, outcome))
    hear('dead', (notice) => this.#died(notice))
    hear('parked', (notice) => void (this.#delivery(notice).outcome = 'parked'))
    hear('replayed', (notice) => void (this.#delivery(notice).outcome = undefined))
    hear('dropped', (notice) => void (this.#delivery(notice).outcome = 'skipped'))
    hear('late', ({ error, ...notice }) => this.#late(this.#delivery(notice), error))
    hear('stopped', (notice) => void (this.#delivery(notice).outcome = 'stopped'))
    const { deadlines } = busOf(dp).machine.engine
    this.#nowMs = () => deadlines.now()
    hear('storeFailed', ({ delayMs }) => void (this.#storeWaitsUntilMs = this.#nowMs() + delayMs))
    hear('duplicate', () => {})
  }

  /** All that was accepted, and events that nobody handles, in order. */
  get messages(): readonly RecordedMessage[] {
    return this.#messages
  }

  /** Every delivery, in the order in which their messages were accepted. */
  get deliveries(): readonly RecordedDelivery[] {
    return this.#messages.flatMap(({ deliveries }) => deliveries)
  }

  /** Every death, in order, also of what was replayed or discarded since. */
  get deadLetters(): readonly RecordedDeadLetter[] {
    return this.#deadLetters
  }

  /** How many notices it was told: where that is the same as before, nothing has happened. */
  get said(): number {
    return this.#said
  }

  /** Whether a store has failed, and is tried again when the time comes. */
  get isStoreFailing(): boolean {
    return this.#nowMs() < this.#storeWaitsUntilMs
  }

  /** Resolves with the next notice. */
  next(): Promise<undefined> {
    return new Promise((resolve) => this.#whenSaid.push(() => resolve(undefined)))
  }

  /** What happened, as text: each message with its handlers, and below each handler what that caused. */
  tree(): string {
    return causalTree(this.#messages)
  }

  /** Records no more. What was recorded stays. */
  end(): void {
    for (const end of this.#ends.splice(0)) end()
  }

  /** One with durable handlers, and others, is accepted by these and by those. */
  #accepted(envelope: Envelope, handlers: readonly string[]): void {
    const known = this.#last(envelope.id)
    const isSame =
      known?.message === envelope.message && !known.deliveries.some((one) => handlers.includes(one.handler))
    const message = isSame ? known : this.#new(envelope, verbOf[routerOf(handlers[0])])
    for (const handler of handlers) this.#add(message, handler)
  }

  /** The same one is delayed twice, where it has durable handlers, and others. */
  #delayed(envelope: Envelope): void {
    const known = this.#last(envelope.id)
    const message = known?.message === envelope.message ? known : this.#new(envelope, 'publish')
    message.isDelayed = true
  }

  #unhandled(envelope: Envelope): void {
    const known = this.#last(envelope.id)
    if (known?.isDelayed) known.isDelayed = false
    else this.#new(envelope, 'publish')
  }

  #cancelled(id: string): void {
    const message = this.#last(id)
    if (message !== undefined) message.isCancelled = true
    this.#byId.delete(id)
  }

  #started(notice: DeliveryNotice): void {
    const delivery = this.#delivery(notice)
    delivery.attempts += 1
    delivery.outcome = undefined
  }

  #failed(delivery: Delivery, error: Error, outcome: RecordedOutcome): void {
    delivery.errors.push(error)
    delivery.error = error
    delivery.outcome = outcome
  }

  #died({ error, letterId, ...notice }: Notices['dead']): void {
    const delivery = this.#delivery(notice)
    delivery.outcome = 'dead'
    const { message, type, handler } = delivery
    this.#deadLetters.push({ id: letterId, message, type, handler, error })
  }

  /** Its caller, or `stop()`, had given up on it; or it had run out of time, and that was said. */
  #late(delivery: Delivery, error: Error | undefined): void {
    if (delivery.outcome === undefined) delivery.outcome = 'rejected'
    if (error !== undefined) delivery.error ??= error
  }

  /** What a store has from before, and what it had until it was due, is not accepted here: it only starts. */
  #delivery({ envelope, handler }: DeliveryNotice): Delivery {
    return this.#deliveryOf(envelope.id, handler) ?? this.#add(this.#message(envelope, handler), handler)
  }

  #message(envelope: Envelope, handler: string): Message {
    const known = this.#byId.get(envelope.id)?.findLast(({ type }) => type === envelope.type)
    return known ?? this.#new(envelope, verbOf[routerOf(handler)])
  }

  #new({ message, type, id, key, cause }: Envelope, otherwise: Verb): Message {
    const verb = this.#verbs.get(message) ?? otherwise
    const by = cause && this.#deliveryOf(cause.id, cause.handler)
    const made = { message, type, id, key, verb, cause: by, deliveries: [], isDelayed: false, isCancelled: false }
    this.#messages.push(made)
    this.#byId.set(id, [...(this.#byId.get(id) ?? []), made])
    by?.caused.push(made)
    return made
  }

  #last(id: string): Message | undefined {
    return this.#byId.get(id)?.at(-1)
  }

  #deliveryOf(id: string, handler: string): Delivery | undefined {
    const deliveries = this.#byId.get(id)?.flatMap((message) => message.deliveries)
    return deliveries?.findLast((one) => one.handler === handler)
  }

  #add(of: Message, handler: string): Delivery {
    const { message, type, id, key } = of
    const state = { attempts: 0, outcome: undefined, error: undefined, errors: [], caused: [] }
    const delivery: Delivery = { message, type, id, key, handler, ...state }
    of.deliveries.push(delivery)
    of.isDelayed = false
    return delivery
  }
}

/** The router of a handler's name; of events, where it is not known. */
function routerOf(handler = 'events/'): keyof typeof verbOf {
  return handler.slice(0, handler.indexOf('/')) as keyof typeof verbOf // The first part of a handler's name is its router.
}
