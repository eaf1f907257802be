import { AsyncLocalStorage } from 'node:async_hooks'
import { asError } from '../errors.ts'
import type { Claim, OpenStore, Settlement, Store, StoreOpening } from '../ports/store.ts'
import { isOperation, isWrite, type StoreOperation } from './fault-plan.ts'
import type { Faults } from './faults.ts'
import { FaultyWrites } from './faulty-writes.ts'

type Call = () => Promise<unknown>

/** Opens a store, to go wrong. */
export async function openFaulty(
  store: Store,
  { opening, faults }: { readonly opening: StoreOpening; readonly faults: Faults },
): Promise<OpenStore> {
  const faulty = new FaultyOpening(faults, opening)
  return (await faulty.open(() => store.open(opening))) as OpenStore
}

class FaultyOpening {
  readonly #faults: Faults
  readonly #opening: StoreOpening
  readonly #writes: FaultyWrites
  /** The `work` of a settlement of this opening, whose calls these are. */
  readonly #working = new AsyncLocalStorage<{ hasEnded: boolean }>()

  constructor(faults: Faults, opening: StoreOpening) {
    this.#faults = faults
    this.#opening = opening
    this.#writes = new FaultyWrites(faults, (delayMs) => this.#after(delayMs))
  }

  async open(go: () => Promise<OpenStore>): Promise<unknown> {
    return this.#around((await this.#read('open', go)) as OpenStore)
  }

  /** @param prefix of the names of its operations. */
  #around(part: object, prefix = ''): object {
    return new Proxy(part, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (name === 'deadLetters' || name === 'schedules') return this.#around(value as object, `${name}.`)
        if (typeof value !== 'function' || typeof name === 'symbol') return value
        const operation = prefix + name
        if (!isOperation(operation)) return value.bind(target) as unknown
        const call = (given: readonly unknown[]): Promise<unknown> => called(() => Reflect.apply(value, target, given))
        return (...given: unknown[]) => this.#do(operation, given, call)
      },
    })
  }

  #do(
    operation: StoreOperation,
    given: readonly unknown[],
    call: (given: readonly unknown[]) => Promise<unknown>,
  ): Promise<unknown> {
    const go = (): Promise<unknown> => call(given)
    if (!isWrite(operation)) return this.#read(operation, go)
    if (operation === 'append' && given[1] !== undefined) return this.#inTransaction(operation, go)
    if (operation !== 'settle') return this.#write(operation, go)
    const [claim, settlement] = given as [Claim | undefined, Settlement]
    return this.#write(operation, () => call([claim, this.#known(settlement)]))
  }

  #read(operation: StoreOperation, go: Call): Promise<unknown> {
    const strike = this.#faults.isHeld(operation) ? undefined : this.#faults.strike(operation)
    if (strike === undefined && !this.#faults.isHeld(operation)) return go()
    return this.#lateRead(operation, { strike, go })
  }

  async #lateRead(
    operation: StoreOperation,
    { strike, go }: { readonly strike: ReturnType<Faults['strike']>; readonly go: Call },
  ): Promise<unknown> {
    await this.#faults.released(operation)
    const { delayMs = 0, error } = strike ?? this.#faults.strike(operation) ?? {}
    if (delayMs > 0) await this.#after(delayMs)
    const failure = error ?? this.#faults.failure(operation)
    if (failure !== undefined) throw failure
    return go()
  }

  /** What is in a transaction of the caller's own is written within the call, or not at all: only its answer is late. */
  async #inTransaction(operation: StoreOperation, go: Call): Promise<unknown> {
    const { delayMs = 0, error, isDone = false } = this.#faults.strike(operation) ?? {}
    const answer = error === undefined || isDone ? go() : undefined
    answer?.catch(() => {}) // It is awaited below, and may be late.
    await this.#faults.released(operation)
    if (delayMs > 0) await this.#after(delayMs)
    const isNew = await answer
    if (error !== undefined) throw error
    return isNew
  }

  /** What the work of a settlement has written could wait for that settlement, and it for the work: the store knows what to say. */
  #write(operation: StoreOperation, go: Call): Promise<unknown> {
    const work = this.#working.getStore()
    if (work === undefined || work.hasEnded) return this.#writes.add(operation, go)
    // Whether the work is asynchronous is known when it has returned.
    return Promise.resolve().then(() => (work.hasEnded ? this.#writes.add(operation, go) : go()))
  }

  /** Has the calls of its work known as such. */
  #known(settlement: Settlement): Settlement {
    const { work } = settlement
    if (work === undefined) return settlement
    return {
      ...settlement,
      work: (tx) => {
        const one = { hasEnded: false }
        const end = (): void => void (one.hasEnded = true)
        try {
          const caused = this.#working.run(one, () => work(tx))
          if (caused instanceof Promise) caused.then(end, end)
          else end()
          return caused
        } catch (error) {
          end()
          throw error
        }
      },
    }
  }

  #after(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#opening.clock.after(delayMs, resolve))
  }
}

/** What a store throws at once is a rejection too. */
function called(call: () => unknown): Promise<unknown> {
  try {
    return call() as Promise<unknown>
  } catch (error) {
    return Promise.reject(asError(error))
  }
}
