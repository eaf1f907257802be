import { equal, fail, ok } from 'node:assert/strict'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import type { Lack, Renewal } from '../../../ports/share.ts'
import type { Claim, LoggedMessage, NewMessage, OpenStore, StoreOpening, Subscription } from '../../../ports/store.ts'
import type { StoreFeature, StoreSubject, UserTransaction } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { subscription } from './samples.ts'

/** How many moments a case tries at which a crash may come. */
export const MOMENTS = 18
/** The first so many are microtasks, the others turns of the event loop. */
const microtasks = 14

/** One case at work on one store. */
export class Trial {
  readonly subject: StoreSubject
  readonly clock: ManualClock = new ManualClock()
  /** How often the store has called `wake`. */
  wakes = 0
  readonly #features: readonly StoreFeature[]
  readonly #opened: OpenStore[] = []

  constructor(subject: StoreSubject, features: readonly StoreFeature[]) {
    this.subject = subject
    this.#features = features
  }

  has(feature: StoreFeature): boolean {
    return this.#features.includes(feature)
  }

  /** Opens the store, with one subscription if no others are given. */
  async open(subscriptions: readonly Subscription[] = [subscription()], service = 'conformance'): Promise<OpenStore> {
    return this.openWith({ service, subscriptions })
  }

  /** The same, with whatever else an opening may have. */
  async openWith(more: Partial<StoreOpening>): Promise<OpenStore> {
    const wake = (): void => void (this.wakes += 1)
    const subscriptions = [subscription()]
    const opening = { service: 'conformance', subscriptions, clock: this.clock, wake, ...more }
    const open = await this.subject.store.open(opening)
    this.#opened.push(open)
    return open
  }

  /** Lets time pass for the store. */
  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    if (!this.has('openingClock')) await given(this.subject.elapse, 'elapse')(ms)
  }

  /** Crashes all that have the store open; then the leases of the dead run out. */
  async crash(): Promise<void> {
    this.#opened.length = 0
    await this.subject.crash()
    if (this.has('shared')) await this.advance(this.leaseMs + 1)
  }

  async restart(subscriptions?: readonly Subscription[]): Promise<OpenStore> {
    await this.crash()
    return this.open(subscriptions)
  }

  get leaseMs(): number {
    return given(this.subject.leaseMs, 'leaseMs')
  }

  async begin(): Promise<UserTransaction> {
    return given(this.subject.begin, 'begin')()
  }

  write(tx: unknown, effect: string): void | Promise<void> {
    return given(this.subject.write, 'write')(tx, effect)
  }

  async effects(): Promise<string[]> {
    return [...(await given(this.subject.effects, 'effects')())]
  }

  /** Closes what is open, and removes the store. */
  async end(): Promise<void> {
    // A case that failed has said why; what its store says when it is closed then adds nothing.
    for (const open of this.#opened) await open.close().catch(() => {})
    await this.subject.dispose?.()
  }
}

/** The work of a settlement, synchronous or asynchronous as the adapter takes it. */
export function workOf(
  trial: Trial,
  of: { readonly isAsync: boolean; readonly effect: string; readonly causes?: () => readonly NewMessage[] },
): (tx: unknown) => readonly NewMessage[] | Promise<readonly NewMessage[]> {
  const causes = of.causes ?? (() => [])
  if (!of.isAsync) {
    return (tx) => {
      void trial.write(tx, of.effect)
      return causes()
    }
  }
  return async (tx) => {
    await turn()
    await trial.write(tx, of.effect)
    await turn()
    return causes()
  }
}

/** Appends, and gives the positions, where no one else appends meanwhile. One partition only. */
export async function appended(open: OpenStore, batch: readonly NewMessage[]): Promise<number[]> {
  const { appended: before } = await open.stats()
  await open.append(batch)
  return batch.map((_, n) => before + n + 1)
}

/** The one claim that there is to be had. */
export async function claimOne(open: OpenStore): Promise<Claim> {
  const claims = await open.claim()
  equal(claims.length, 1, `There is one claim to be had, and claim() gave ${claims.length}.`)
  return claims[0] as Claim
}

/** What it is, for a comparison: `events/a 3`. */
export function nameOf({ subscription: name, partition }: Claim): string {
  return `${name} ${partition}`
}

/** Keeps claims of a store that is shared. */
export async function renewal(
  open: OpenStore,
  claims: readonly Claim[],
  lacks: readonly Lack[] = [],
): Promise<Renewal> {
  ok(open.renew !== undefined, 'Where claims end by themselves, there is renew().')
  return open.renew(claims, lacks)
}

/** The claims that there are to be had, by the name of their subscription. One partition only. */
export async function claimsByName(open: OpenStore): Promise<ReadonlyMap<string, Claim>> {
  return new Map((await open.claim()).map((claim) => [claim.subscription, claim]))
}

export async function logOf(open: OpenStore, partition = 0): Promise<LoggedMessage[]> {
  const all: LoggedMessage[] = []
  for (;;) {
    const page = await open.read(partition, all.at(-1)?.position ?? 0, 500)
    if (page.length === 0) return all
    all.push(...page)
  }
}

export async function idsOf(open: OpenStore, partition = 0): Promise<string[]> {
  return (await logOf(open, partition)).map(({ id }) => id)
}

/** Whether a claim takes a message. */
export function isTaken({ takes }: Claim, type: string, position: number): boolean {
  return takes.some((one) => one.type === type && position > one.after && position <= (one.upTo ?? position))
}

/** A moment at which a crash may come: in the course of a turn of the event loop, or some turns later. */
export async function moment(n: number): Promise<void> {
  if (n >= microtasks) await turns(n - microtasks + 1)
  else for (let i = 0; i < n; i += 1) await Promise.resolve()
}

/** Lets the event loop turn. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await turn()
}

/** Waits until it is so: a store may do it a while later. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  patienceMs: number = 5_000,
): Promise<void> {
  for (const start = performance.now(); !(await isSo()); await pause(1)) {
    ok(performance.now() - start < patienceMs, `${what}, within ${patienceMs} ms`)
  }
}

/** It rejects with this `code`. */
export async function rejectsWith(code: string, promise: Promise<unknown>, what: string): Promise<void> {
  const failure = await promise.then(
    () => fail(`${what} has to be refused with ${code}, and was not.`),
    (error: unknown) => error,
  )
  equal((failure as { code?: unknown }).code, code, `${what} was refused with: ${String(failure)}`)
}

/** For what was begun before a crash: nobody knows how it ends. */
export function unawaited(promise: Promise<unknown>): void {
  promise.catch(() => {})
}

function given<T>(value: T | undefined, name: string): T {
  return value ?? fail(`The harness says that it has a feature, and has no '${name}' for it.`)
}
