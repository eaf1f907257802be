import { partitionOf } from '../../ports/stable-hash.ts'
import type { Claim, LoggedMessage, Settlement } from '../../ports/store.ts'
import type { Envelope } from '../../message/envelope.ts'
import { GuaranteeBroken } from './failures.ts'
import type { Life } from './life.ts'
import type { Timeline } from './timeline.ts'

/** What a handler was given, as its context has it. */
export interface Given {
  readonly id: string
  readonly type: string
  readonly handler: string
  readonly key: string | undefined
  readonly replayed: boolean
}

/** A delivery that has failed for good. */
export interface Dead {
  readonly message: object | string
  readonly handler: string
  readonly error: Error
}

/** The deliveries of one key of a handler, on one node. */
interface Lane {
  /** Which message a handler has right now. */
  running?: string | undefined
  /** Which one was begun, and has no outcome yet. */
  begun?: string | undefined
  /** Whether what runs is of a claim that was lost meanwhile: it can store nothing, and nothing has to wait for a further attempt. */
  isStale?: boolean
  /** The position in the log of the latest one that was begun. */
  position: number
}

/** Who works for a subscription in a partition, as far as the store knows. */
export interface Owner {
  readonly life: Life
  readonly claim: Claim
}

/** A message that was accepted, and by whom it is to be handled. */
interface Accepted {
  readonly life: Life
  readonly envelope: Envelope
  readonly handlers: readonly string[]
}

/** Holds the bus to what it promises, whatever happens: nothing is lost, a key is an order, effects are once. */
export class Guarantees {
  /** Who has the latest claim, by subscription and partition. */
  readonly owners: Map<string, Owner> = new Map()
  readonly partitions: number
  readonly #timeline: Timeline
  /** Which claims a node has given back: nothing of them may begin there any more. */
  readonly #released = new Map<Life, Set<string>>()
  /** Who had a claim before, that was given back in order. */
  readonly #before = new Map<string, Life>()
  readonly #positions = new Map<string, number>()
  /** By partition and position. */
  readonly #ids = new Map<string, string>()
  readonly #lanes = new Map<Life, Map<string, Lane>>()
  readonly #accepted: Accepted[] = []
  /** By message and handler. */
  readonly #ended = new Set<string>()
  readonly #committed = new Set<string>()
  readonly dead: Dead[] = []
  /** The first one that was broken. */
  broken: GuaranteeBroken | undefined

  constructor(timeline: Timeline, partitions: number) {
    this.#timeline = timeline
    this.partitions = partitions
  }

  sawLog(partition: number, messages: readonly LoggedMessage[]): void {
    for (const { id, position } of messages) {
      this.#positions.set(id, position)
      this.#ids.set(`${partition} ${position}`, id)
    }
  }

  /** The store has given a claim to a node. */
  owns(life: Life, claim: Claim): void {
    const before = this.owners.get(nameOf(claim))?.life
    if (before !== undefined && claim.isClean) this.#before.set(nameOf(claim), before)
    else this.#before.delete(nameOf(claim))
    this.owners.set(nameOf(claim), { life, claim })
    this.#releasedBy(life).delete(nameOf(claim))
  }

  /**
   * A node works for a subscription from now on, and begins where it was left: perhaps before what it had seen of it once; but not
   * before what another node has begun, and given back in order.
   */
  claimed(life: Life, claim: Claim): void {
    const before = this.#before.get(nameOf(claim))
    const left = before === undefined ? [] : [...this.#lanesOf(before, claim)]
    const begun = left.map(([name, { position, begun: id }]) => [name, { position, begun: id }] as const)
    for (const [, lane] of this.#lanesOf(life, claim)) {
      lane.position = 0
      lane.begun = undefined
      lane.isStale = lane.running !== undefined
    }
    for (const [name, state] of begun) Object.assign(this.#lane(life, name), state)
  }

  /** A node has given claims back, and another one may have them: nothing of them runs here. */
  released(life: Life, claims: readonly Claim[]): void {
    for (const claim of claims) {
      const owner = this.owners.get(nameOf(claim))
      if (owner?.life !== life || owner.claim.epoch !== claim.epoch) continue // It was taken over before.
      this.#releasedBy(life).add(nameOf(claim))
      for (const [, { running, isStale }] of this.#lanesOf(life, claim)) {
        if (running === undefined || isStale) continue
        this.#break(`${nameOf(claim)} is given back while it runs`)
      }
    }
  }

  /** What a handler does in `context.commit` was stored, with this. */
  committed({ subscription, partition }: Claim, { done = [], cleared = [] }: Settlement): void {
    for (const position of [...done.map(([from]) => from), ...cleared]) {
      const name = `${subscription} ${partition} ${position}`
      if (this.#committed.has(name)) this.#break(`${subscription} has committed the message at ${position} twice`)
      this.#committed.add(name)
      this.#ended.add(`${this.#ids.get(`${partition} ${position}`)} ${subscription}`)
    }
  }

  accepted(life: Life, envelope: Envelope, handlers: readonly string[]): void {
    this.#accepted.push({ life, envelope, handlers })
  }

  /** A handler is called; `isGivenUp` where that is known already, since the claim was lost, or it was out of time. */
  begins(life: Life, given: Given, isGivenUp: boolean): void {
    const { id, handler, key, replayed } = given
    if (key === undefined) return
    const lane = this.#laneOf(life, given)
    const name = this.#timeline.nameOf(given)
    const isAlone = lane.running === undefined
    lane.running = id
    if (isGivenUp) {
      lane.isStale = true
      return
    }
    const position = this.#positions.get(id)
    const partition = partitionOf(key, this.partitions)
    if (position !== undefined && this.#releasedBy(life).has(nameOf({ subscription: handler, partition }))) {
      this.#break(`${handler} is given ${name}, and its partition was given back`)
    }
    if (!isAlone) this.#break(`${handler} is given ${name} while it has another one of the key ${key}`)
    else if (lane.begun !== undefined && lane.begun !== id) {
      this.#break(`${handler} is given ${name} before one of the key ${key} that came earlier has its outcome`)
    }
    if (position !== undefined && !replayed) {
      if (position < lane.position) this.#break(`${handler} is given ${name} after a later one of the key ${key}`)
      lane.position = position
    }
    lane.begun = id
  }

  /** It has returned, or thrown; `isDone` where the attempt has succeeded by that. */
  ends(life: Life, given: Given, isDone: boolean): void {
    if (isDone) this.#ended.add(`${given.id} ${given.handler}`)
    if (given.key === undefined) return
    const lane = this.#laneOf(life, given)
    lane.running = undefined
    if (isDone || lane.isStale) lane.begun = undefined
    lane.isStale = false
  }

  /** It runs when the time of a stop is up, that of a start which has failed: its claim is given back, and it can store nothing. */
  isGivenUp(life: Life, { id, key }: Envelope, handler: string): void {
    const lane = key === undefined ? undefined : this.#lanes.get(life)?.get(`${handler} ${key}`)
    if (lane?.running === id) lane.isStale = true
  }

  /** There is no further attempt. */
  hasOutcome(life: Life, { id, key }: Envelope, handler: string): void {
    this.#ended.add(`${id} ${handler}`)
    const lane = key === undefined ? undefined : this.#lanes.get(life)?.get(`${handler} ${key}`)
    if (lane?.begun === id) lane.begun = undefined
  }

  /** Everything has come to rest, and each message has been handled by each handler that it is due to. */
  hasSettled(
    isDue: (accepted: { readonly life: Life; readonly envelope: Envelope; readonly handler: string }) => boolean,
  ): void {
    for (const { life, envelope, handlers } of this.#accepted) {
      for (const handler of handlers) {
        if (this.#ended.has(`${envelope.id} ${handler}`) || !isDue({ life, envelope, handler })) continue
        this.#break(`${this.#timeline.nameOf(envelope)} was accepted, and ${handler} has not handled it: it is lost`)
      }
    }
  }

  #releasedBy(life: Life): Set<string> {
    let released = this.#released.get(life)
    if (released === undefined) this.#released.set(life, (released = new Set()))
    return released
  }

  /** Those of the keys of one partition. */
  *#lanesOf(life: Life, { subscription, partition }: Claim): Iterable<readonly [name: string, lane: Lane]> {
    const prefix = `${subscription} `
    for (const [name, lane] of this.#lanes.get(life) ?? []) {
      if (!name.startsWith(prefix)) continue
      if (partitionOf(name.slice(prefix.length), this.partitions) === partition) yield [name, lane]
    }
  }

  #laneOf(life: Life, { handler, key }: Given): Lane {
    return this.#lane(life, `${handler} ${key}`)
  }

  #lane(life: Life, name: string): Lane {
    let lanes = this.#lanes.get(life)
    if (lanes === undefined) this.#lanes.set(life, (lanes = new Map()))
    let lane = lanes.get(name)
    if (lane === undefined) lanes.set(name, (lane = { position: 0 }))
    return lane
  }

  #break(what: string): void {
    this.broken ??= new GuaranteeBroken(`${what}. That is a fault of the bus: please report it, with this run.`)
  }
}

function nameOf({ subscription, partition }: Pick<Claim, 'subscription' | 'partition'>): string {
  return `${subscription}#${partition}`
}
