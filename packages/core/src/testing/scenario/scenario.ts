import type { Dispatcher } from '../../dispatcher.ts'
import { IambusError, InvalidOption, shown } from '../../errors.ts'
import type { MessageClass, StringMessage } from '../../message/message-type.ts'
import type { Fits } from '../../message/kind.ts'
import { Harness, harnessOf } from '../harness/harness.ts'
import { type Expectation, expectationOf, isExpected } from './expectation.ts'
import { type Failure, runScenario } from './run-scenario.ts'
import type { Told } from './told.ts'

/**
 * To be awaited, a scenario has the `then` of a promise; to be told what comes of it, one of its own. The compiler must take the
 * first when it awaits: a property that is optional, and that no scenario has, makes it pass over the others.
 */
type Telling = Scenario & { readonly '~telling'?: never }

type Callback<V, R> = ((value: V) => R | PromiseLike<R>) | null | undefined

/**
 * What a program does with some messages: told first, and run when it is awaited. Made by {@link scenario}.
 *
 * It is a promise, so that an `await` that was forgotten is found by the lint rule `no-floating-promises`.
 */
export class Scenario extends Promise<void> {
  readonly #harness: Harness
  readonly #given: Told[] = []
  readonly #when: Told[] = []
  readonly #expected: Expectation[] = []
  readonly #fails: Failure[] = []
  #isAll = false
  #run: Promise<void> | undefined

  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  constructor(harness: Harness) {
    super(() => {}) // Whoever awaits it is answered by `then`.
    this.#harness = harness
  }

  /** Publishes events, or sends commands, before: what comes of them is waited for, and does not count. */
  given(...messages: readonly Told<'event' | 'command'>[]): this {
    this.#checkOpen()
    this.#given.push(...messages)
    return this
  }

  /**
   * Publishes these events, sends these commands, requests these queries, one after the other; then waits until nothing is left to
   * be done. One that fails for good fails the scenario, unless `thenFails` expects it.
   */
  when(...messages: readonly Told[]): this {
    this.#checkOpen()
    this.#when.push(...messages)
    return this
  }

  // A promise has a `then`. This is one, and says more with it.
  /* oxlint-disable unicorn/no-thenable */

  /**
   * Expects a message that was caused: this one, or one of this class. Each expectation takes one message, whatever order they came
   * in.
   *
   * @param having some of its fields, compared deeply each; or a function that says whether it is the one.
   * @throws {InvalidOption} for what cannot be expected.
   */
  override then<M extends object>(
    this: Telling,
    type: MessageClass<M>,
    having?: Partial<M> | ((message: M) => boolean),
  ): this
  override then(this: Telling, message: Fits<'event' | 'command' | 'query'> | StringMessage): this
  override then<A = void, B = never>(fulfilled?: Callback<void, A>, rejected?: Callback<unknown, B>): Promise<A | B>
  override then(first?: unknown, second?: unknown): unknown {
    if (!isExpected(first))
      return this.#promise().then(first as Callback<void, void>, second as Callback<unknown, void>)
    this.#checkOpen()
    this.#expected.push(expectationOf(first, second))
    return this
  }

  /* oxlint-enable unicorn/no-thenable */

  /**
   * Expects that a message of `when` fails: it is refused, a request is rejected, or a delivery of it fails for good.
   *
   * @param error the class of the error, its `code`, or a part of its message.
   * @throws {InvalidOption} for what is none of these.
   */
  thenFails(error: (abstract new (...args: never) => Error) | string): this {
    this.#checkOpen()
    if (typeof error !== 'string' && typeof error !== 'function') {
      throw new InvalidOption(`thenFails() was given ${shown(error)}. Pass a class of errors, a code, or a text.`)
    }
    this.#fails.push(error)
    return this
  }

  /**
   * Expects that nothing else was caused, and that no delivery has failed for good. Queries may be requested: they change nothing.
   * An attempt that failed, and was tried again with success, is no failure.
   */
  andNothingElse(): this {
    this.#checkOpen()
    this.#isAll = true
    return this
  }

  override catch<B = never>(rejected?: Callback<unknown, B>): Promise<void | B> {
    return this.#promise().catch(rejected)
  }

  override finally(ended?: (() => void) | null): Promise<void> {
    return this.#promise().finally(ended)
  }

  #promise(): Promise<void> {
    this.#run ??= runScenario(this.#harness, {
      given: this.#given,
      when: this.#when,
      expected: this.#expected,
      fails: this.#fails,
      isAll: this.#isAll,
    })
    return this.#run
  }

  #checkOpen(): void {
    if (this.#run === undefined) return
    throw new IambusError(
      'SCENARIO_OVER',
      'The scenario has run: it cannot be told more. Make another with scenario().',
    )
  }
}

/**
 * Tells what a program does with some messages, to be awaited. The dispatcher is started, if it is not.
 *
 * ```ts
 * await scenario(harness)
 *   .given(new ShopOpened({}))
 *   .when(new CreateBook({ title: 'Emma' }))
 *   .then(BookCreated, { title: 'Emma' })
 *   .then(new IndexBook({ title: 'Emma' }))
 *   .andNothingElse()
 * ```
 *
 * @param of a harness, or its dispatcher.
 * @throws {InvalidOption} for any other dispatcher.
 * @throws {ScenarioFailed} as a rejection, where it goes otherwise. @throws {NotSettled} as a rejection, where it does not end.
 */
export function scenario(of: Harness | Dispatcher): Scenario {
  const harness = of instanceof Harness ? of : harnessOf(of)
  if (harness !== undefined) return new Scenario(harness)
  const remedy =
    'Make one with testDispatcher(), and pass it, or its dp: a program that makes its own is given to its make.'
  throw new InvalidOption(`scenario() was given ${shown(of)}, which is of no harness. ${remedy}`)
}
