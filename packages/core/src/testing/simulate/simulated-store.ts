import type { MemoryStore } from '../../memory/store.ts'
import type { Claim, NewMessage, OpenStore, Settlement, Store, StoreOpening } from '../../ports/store.ts'
import { asError, InvalidOption } from '../../errors.ts'
import { isThenable } from '../../routing/thenable.ts'
import { StoreFailed } from '../../store-errors.ts'
import type { Life } from './life.ts'
import type { Guarantees } from './guarantees.ts'
import type { Step, Steps } from './steps.ts'

/** A transaction on what a simulation has for its database. */
export interface SimulatedTransaction {
  /** What `context.commit` gives to its function. */
  readonly tx: unknown
  /** Has what was written with it happen. Called at once with what the bus stores. */
  commit(): void
  /** Forgets what was written with it. */
  rollback(): void
}

export interface SimulatedStoreParts {
  readonly memory: MemoryStore
  readonly steps: Steps
  readonly guarantees: Guarantees
  readonly begin: (() => SimulatedTransaction) | undefined
  readonly say: (text: string) => void
  /** Ends the run: something is wrong with what is simulated. */
  readonly fail: (error: Error) => void
}

const atOnce =
  'It has to write at once what it was told; what may fail belongs into the function that is given to context.commit.'

/** What the parts of an open store do: the reads of it, while they wait for nobody. All others are writes, in their order. */
const reads: ReadonlySet<string> = new Set([
  'read',
  'readAt',
  'exceptions',
  'stats',
  'get',
  'list',
  'replaying',
  'dueAt',
])
/** These answer when they are called. */
const immediate: ReadonlySet<string> = new Set(['now', 'takes', 'close'])

/**
 * The store of a simulated node. Each call is two steps: it is done, and its answer arrives; between them, and before them,
 * anything can happen. Writes of a node are done in the order of the calls, and answered in it.
 */
export class SimulatedStore implements Store {
  readonly name = 'the simulated store'
  readonly isShared: boolean
  readonly #parts: SimulatedStoreParts
  readonly #life: Life
  readonly #writes = {}
  readonly #answers = {}
  /** By the transaction that the user's own code has. */
  readonly #transactions = new Map<unknown, unknown>()
  #opened: OpenStore | undefined
  #failing: SimulatedFailure | undefined
  #atCommit = false

  constructor(parts: SimulatedStoreParts, life: Life) {
    this.isShared = parts.memory.isShared
    this.#parts = parts
    this.#life = life
  }

  /** What is under it, once it is open: to look into. */
  get opened(): OpenStore | undefined {
    return this.#opened
  }

  open(opening: StoreOpening): Promise<OpenStore> {
    const wake = (): void => {
      if (this.#life.isAlive) opening.wake()
    }
    const claimsChanged = (): void => {
      if (this.#life.isAlive) opening.claimsChanged?.()
    }
    const lettersChanged = (): void => {
      if (this.#life.isAlive) opening.lettersChanged?.()
    }
    return this.#call('open', async () => {
      this.#opened = await this.#parts.memory.open({ ...opening, wake, claimsChanged, lettersChanged })
      return this.#around(this.#opened)
    })
  }

  /** Does what `kill -9` does: nothing that is under way is stored. */
  crash(): void {
    if (this.#opened !== undefined) this.#parts.memory.crash(this.#opened)
  }

  #around<T extends object>(part: T): T {
    return new Proxy(part, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target)
        if (name === 'deadLetters' || name === 'schedules') return this.#around(value as object)
        if (typeof value !== 'function' || typeof name === 'symbol') return value
        if (immediate.has(name)) return value.bind(target) as unknown
        return (...given: unknown[]) => this.#do(name, given, () => Reflect.apply(value, target, given))
      },
    })
  }

  #do(name: string, given: readonly unknown[], go: () => unknown): unknown {
    const opened = this.#opened as OpenStore
    if (name === 'settle') return this.#settle(...(given as [Claim | undefined, Settlement]))
    if (name === 'append' && given[1] !== undefined) {
      const [messages, tx] = given as [readonly NewMessage[], unknown]
      return opened.append(messages, this.#transactions.get(tx) ?? tx)
    }
    if (name === 'claim') return this.#claim(go as () => Promise<readonly Claim[]>)
    return this.#call(name, async () => {
      const result = await go()
      if (name === 'release') this.#parts.guarantees.released(this.#life, given[0] as readonly Claim[])
      if (name === 'read' || name === 'readAt')
        this.#parts.guarantees.sawLog(given[0] as number, result as Awaited<ReturnType<OpenStore['read']>>)
      return result
    })
  }

  async #claim(go: () => Promise<readonly Claim[]>): Promise<readonly Claim[]> {
    const { guarantees } = this.#parts
    const claims = await this.#call('claim', async () => {
      const taken = await go()
      for (const claim of taken) guarantees.owns(this.#life, claim)
      return taken
    })
    for (const claim of claims) guarantees.claimed(this.#life, claim)
    return claims
  }

  #settle(claim: Claim | undefined, settlement: Settlement): Promise<readonly boolean[]> {
    const { work } = settlement
    const opened = this.#opened as OpenStore
    if (work === undefined) return this.#call('settle', () => opened.settle(claim, settlement))
    const go = this.#withWork(claim, { ...settlement, work })
    // The same, but for the commit at its end: nothing of it is stored.
    const fruitless = this.#withWork(claim, {
      ...settlement,
      work: async (tx) => {
        await work(tx)
        throw new SimulatedFailure()
      },
    })
    return this.#call('settle', go, fruitless)
  }

  #withWork(
    claim: Claim | undefined,
    settlement: Settlement & { readonly work: NonNullable<Settlement['work']> },
  ): () => Promise<readonly boolean[]> {
    const { work } = settlement
    const { guarantees, begin } = this.#parts
    const opened = this.#opened as OpenStore
    return async () => {
      const own = begin?.()
      const forget = own && this.#life.whenItDies(() => own.rollback())
      try {
        const isNew = await opened.settle(claim, {
          ...settlement,
          work: (tx) => {
            this.#transactions.set(own?.tx, tx)
            return work(own === undefined ? tx : own.tx)
          },
        })
        if (own !== undefined) this.#commit(own)
        if (claim !== undefined) guarantees.committed(claim, settlement)
        return isNew
      } catch (error) {
        own?.rollback()
        throw error
      } finally {
        this.#transactions.delete(own?.tx)
        forget?.()
      }
    }
  }

  /** What is stored cannot be undone any more: the world's own commit has to do what it is told, at once. */
  #commit(own: SimulatedTransaction): void {
    try {
      const given: unknown = own.commit()
      if (!isThenable(given)) return
      given.then(undefined, () => {})
      this.#parts.fail(new InvalidOption(`transaction().commit() gave a promise. ${atOnce}`))
    } catch (thrown) {
      const text = `transaction().commit() threw: ${asError(thrown).message}. ${atOnce}`
      this.#parts.fail(new InvalidOption(text))
    }
  }

  /** @param fruitless what also may happen, in place of a failure before anything is done. */
  #call<T>(name: string, go: () => Promise<T>, fruitless?: () => Promise<T>): Promise<T> {
    if (this.#failing !== undefined && !reads.has(name)) return Promise.reject(this.#failing)
    return new Promise((resolve, reject) => {
      const line = reads.has(name) ? undefined : this.#writes
      const answer = (take: () => void): void => {
        if (this.#life.isAlive) steps.add({ life: this.#life, line: line && this.#answers, take })
      }
      const take = (what: () => Promise<T>): void => {
        void what().then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        )
      }
      const { steps, say } = this.#parts
      const step: WriteStep = {
        life: this.#life,
        line,
        take: () => take(go),
        faults: name === 'append' ? ['store-failure', 'lost-answer'] : ['store-failure'],
        strike: (fault) => {
          if (fruitless !== undefined && this.#isAtCommit()) {
            say(`the store fails at the commit: ${name}`)
            return take(fruitless)
          }
          say(
            fault === 'lost-answer'
              ? `the store does it, and the answer gets lost: ${name}`
              : `the store fails: ${name}`,
          )
          if (fault === 'lost-answer') void go()
          this.#fail(step)
        },
        reject,
      }
      steps.add(step)
    })
  }

  /** A transaction fails by turns at its commit, and at its beginning. */
  #isAtCommit(): boolean {
    this.#atCommit = !this.#atCommit
    return this.#atCommit
  }

  /** Where one cannot be stored, those that wait behind it fail too; and those of whoever has not heard of it yet. */
  #fail(step: WriteStep): void {
    const failure = new SimulatedFailure()
    step.reject(failure)
    if (step.line === undefined) return
    // What was done before, and was not answered yet, is answered: the answers of one connection keep their order.
    for (const behind of this.#parts.steps.removeLine(step.line)) (behind as WriteStep).reject(failure)
    this.#failing = failure
    queueMicrotask(() => (this.#failing = undefined))
  }
}

/** The store has failed, because a simulation wanted it so. */
export class SimulatedFailure extends StoreFailed {
  constructor() {
    super('STORE_FAILED', 'The simulated store fails.')
  }
}

interface WriteStep extends Step {
  readonly reject: (error: Error) => void
}
