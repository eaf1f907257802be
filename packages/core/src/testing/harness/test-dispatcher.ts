import { Dispatcher } from '../../dispatcher.ts'
import type { DispatcherOptions } from '../../dispatcher-options.ts'
import { InvalidOption } from '../../errors.ts'
import { Harness } from './harness.ts'
import { HarnessClock } from './harness-clock.ts'
import { KeptLog } from './kept-log.ts'

/** What `testDispatcher()` takes: what a dispatcher does, but for its clock. */
export interface TestDispatcherOptions extends Omit<DispatcherOptions, 'clock'> {
  /** When the clock begins, in milliseconds since 1970. Default 1 January 2025, 00:00 UTC. */
  readonly startMs?: number | undefined
  /**
   * Makes the dispatcher, for a program that does so itself, with what it binds: `(options) => makeBookstore({ ...options })`.
   * The options are to be given to `new Dispatcher({ ...options })`. Default: a dispatcher without handlers.
   */
  readonly make?: ((options: DispatcherOptions) => Dispatcher) | undefined
}

/**
 * Makes a dispatcher for a test. Its time stands still until something moves it, retries are not spread by chance, its logger is
 * silent, and everything that happens is recorded.
 *
 * ```ts
 * await using harness = testDispatcher()
 * harness.dp.mount(catalog)
 * await harness.start()
 * await harness.dp.send(new CreateBook({ title: 'Emma' }))
 * await harness.settled()
 * assert.deepEqual(harness.published(BookCreated), [new BookCreated({ title: 'Emma' })])
 * ```
 *
 * @param options those of a dispatcher without `clock`; `startMs`, and `make` for a program that makes its dispatcher itself. A
 *   `logger` is told everything, besides what is kept in `harness.log`.
 * @throws {InvalidOption} for an option that does not exist, or a value that it cannot have.
 * @throws {ImproperlyConfigured} where `make` gives a dispatcher with another clock, or one that has started.
 */
export function testDispatcher(options: TestDispatcherOptions = {}): Harness {
  const { startMs, make, logger, ...own } = options
  if (Object.hasOwn(own, 'clock')) {
    const text = 'testDispatcher() was given a clock: the harness has one of its own, harness.clock. Leave it out.'
    throw new InvalidOption(`${text} When it begins is said by startMs.`)
  }
  const clock: HarnessClock = new HarnessClock(startMs, () => harness.settled())
  const log = new KeptLog(logger)
  const given: DispatcherOptions = { random: () => 0, ...own, clock: clock.forBus, logger: log }
  const harness: Harness = new Harness({ dp: make?.(given) ?? new Dispatcher(given), clock, log })
  return harness
}
