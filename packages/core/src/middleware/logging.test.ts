import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { Dispatcher, logging, loggingOutgoing, type LogLevel } from '../index.ts'

/** A logger that keeps its lines. */
function kept() {
  const lines: unknown[] = []
  const at = (level: LogLevel) => (fields: object, text: string) => void lines.push([level, fields, text])
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}
const silent = kept().logger

describe('logging', () => {
  test('writes a line for each attempt at its end; a failure is a warning with its error', async () => {
    const clock = new ManualClock()
    const { lines, logger } = kept()
    const dp = new Dispatcher({ clock, logger: silent })
    dp.use(logging(logger, { clock }))
    const boom = new Error('boom')
    dp.queries.bind('q', () => clock.advance(4.0004), { name: 'h' })
    dp.events.bind('e', () => Promise.reject(boom), { name: 'h' })
    await dp.start()
    await dp.request('q', { id: '1', key: 'k' })
    await dp.publish('e', { id: '2' })
    await dp.stop()
    const same = { type: 'q', attempt: 1, waitedMs: 0 }
    expect(lines).toEqual([
      [
        'debug',
        { ...same, handler: 'queries/h', id: '1', key: 'k', ranMs: 4, outcome: 'done' },
        "queries/h handled 'q'.",
      ],
      [
        'warn',
        { ...same, type: 'e', handler: 'events/h', id: '2', key: undefined, ranMs: 0, outcome: 'failed', err: boom },
        "events/h failed on 'e': boom",
      ],
    ])
  })

  test('writes successes at the level that is asked for', async () => {
    const { lines, logger } = kept()
    const dp = new Dispatcher()
    dp.use(logging(logger, { level: 'info' }))
    dp.use(loggingOutgoing(logger, { level: 'warn' }))
    dp.commands.bind('c', () => {}, { name: 'h' })
    await dp.start()
    await dp.request('c')
    await dp.stop()
    expect(lines).toEqual([
      ['warn', expect.objectContaining({ verb: 'request', outcome: 'passed' }), "'c' leaves: request."],
      ['info', expect.objectContaining({ outcome: 'done' }), "commands/h handled 'c'."],
    ])
  })

  test('a logger that throws fails no attempt', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const broken = { ...silent, debug: () => { throw new Error('pipe closed') } } // prettier-ignore
    const dp = new Dispatcher()
    dp.use(logging(broken))
    dp.use(loggingOutgoing(broken))
    dp.queries.bind('q', () => 'answer')
    await dp.start()
    expect(await dp.request('q')).toBe('answer')
    await dp.stop()
    expect(emitWarning).toHaveBeenCalledTimes(2)
    emitWarning.mockRestore()
  })

  test.each([
    [undefined, {}, "logging() was given undefined as its logger, which has no method 'debug'."],
    [{ ...silent, warn: undefined }, {}, "no method 'warn'"],
    [silent, { level: 'loud' }, 'The level of logging() is "loud". Pass one of: debug, info, warn, error.'],
    [silent, { levle: 'info' }, "logging() has no option 'levle'"],
  ])('refuses the logger %o with %o', (logger, options, text) => {
    expect(() => logging(logger as never, options as never)).toThrow(text)
  })
})

describe('loggingOutgoing', () => {
  test('writes a line for each publication, and a warning for one that is refused', async () => {
    const clock = new ManualClock()
    const { lines, logger } = kept()
    const dp = new Dispatcher()
    const refusal = new Error('not yours')
    dp.use(loggingOutgoing(logger, { clock }))
    dp.use({
      outgoing: ({ type }, next) => {
        if (type === 'forbidden') throw refusal
        next()
      },
    })
    dp.events.bind(['e', 'forbidden'], () => {})
    await dp.start()
    await dp.publish('e', { key: 'k' })
    await expect(dp.publish('forbidden')).rejects.toBe(refusal)
    await dp.stop()
    expect(lines).toEqual([
      ['debug', { verb: 'publish', type: 'e', key: 'k', ranMs: 0, outcome: 'passed' }, "'e' leaves: publish."],
      [
        'warn',
        { verb: 'publish', type: 'forbidden', key: undefined, ranMs: 0, outcome: 'refused', err: refusal },
        "'forbidden' was refused on its way out: not yours",
      ],
    ])
  })
})
