/** One bus in one way of using it: a column of a table. */
export interface Case {
  readonly bus: string
  /** The program, in the folder of the scenario, without `.ts`. */
  readonly program: string
  readonly args?: readonly string[]
}

/** One table: the same in each bus. */
export interface Scenario {
  readonly title: string
  readonly text: string
  /** The folder of its programs. */
  readonly folder: string
  /** What the programs see, by the names that they use: the rows. */
  readonly facts: readonly string[]
  readonly cases: readonly Case[]
}

const nest: Case = { bus: '@nestjs/cqrs', program: 'nest' }

const sagaFacts = ['the saga', 'the command', 'the publisher', 'a listener is told']

const sagaCases = (failing: 'saga' | 'command'): readonly Case[] => [
  { bus: 'iambus', program: 'iambus', args: [failing] },
  { ...nest, args: [failing] },
  { bus: 'emittery, `await emit`', program: 'emittery', args: [failing, 'awaited'] },
  { bus: 'emittery, `emit`', program: 'emittery', args: [failing] },
]

export const scenarios: readonly Scenario[] = [
  {
    title: 'A handler that throws once',
    text:
      'Three events, each published in a turn of the event loop of its own, for one handler. The first time that it is ' +
      'called, it throws.',
    folder: 'throws-once',
    facts: ['the handler', 'the publisher', 'a listener is told', 'kept, to be replayed'],
    cases: [
      { bus: 'iambus', program: 'iambus' },
      { bus: 'iambus, `waitForResponse`', program: 'iambus', args: ['--waitForResponse'] },
      {
        bus: 'iambus, `waitForResponse`, `recover: retry({ attempts: 3, backoff: immediate() })`',
        program: 'iambus',
        args: ['--waitForResponse', '--retries'],
      },
      nest,
      { bus: 'emittery, `await emit`', program: 'emittery', args: ['awaited'] },
      { bus: 'emittery, `emit`', program: 'emittery' },
    ],
  },
  {
    title: 'Three events with falling delays',
    text:
      'Three events, published one after the other without waiting for their handlers, for one handler that takes 300 ms ' +
      'for the first, 200 for the second and 100 for the third.',
    folder: 'falling-delays',
    facts: ['starts', 'ends'],
    cases: [
      { bus: 'iambus, one `key`', program: 'iambus', args: ['key'] },
      { bus: 'iambus, no `key`', program: 'iambus' },
      nest,
      { bus: 'emittery, `emit`', program: 'emittery' },
      { bus: 'emittery, `emitSerial`', program: 'emittery', args: ['emitSerial'] },
    ],
  },
  {
    title: 'Two handlers for one command',
    text: 'Two handlers are registered for the same command, which is then sent once. (emittery has events only.)',
    folder: 'two-handlers',
    facts: ['to register', 'to start', 'runs', 'the caller'],
    cases: [{ bus: 'iambus', program: 'iambus' }, nest, { bus: 'emittery, an event', program: 'emittery' }],
  },
  {
    title: 'A saga that throws',
    text:
      'A saga sends a command for each of three events, each published in a turn of its own. It throws with the first. In ' +
      '@nestjs/cqrs it is a `@Saga()`, a stream of events that becomes one of commands; in iambus a handler that calls ' +
      '`context.send`; in emittery, which has no sagas, a listener that emits.',
    folder: 'failing-saga',
    facts: sagaFacts,
    cases: sagaCases('saga'),
  },
  {
    title: 'A saga whose command fails',
    text: 'The same; the saga does not throw, but the handler of its first command does.',
    folder: 'failing-saga',
    facts: sagaFacts,
    cases: sagaCases('command'),
  },
]
