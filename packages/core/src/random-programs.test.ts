import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { type Context, type Delivery, Dispatcher, Engine, type Outcome } from './index.ts'

/**
 * Random programs over four types of events. A handler of type `n` may only publish types above `n`, so that every
 * program ends; each of its steps waits, publishes or fails. A scheduler decides in which order the waits end.
 */
const types = ['t0', 't1', 't2', 't3'] as const
const keys = [undefined, null, 'a', 'b'] as const

type Step =
  | { readonly kind: 'wait' | 'fail' }
  | { readonly kind: 'publish'; readonly up: number; readonly key: string | null | undefined }

const step = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'wait' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'fail' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      up: fc.integer({ min: 1, max: 2 }),
      key: fc.constantFrom(...keys),
    }),
  },
)
/** A handler: the types it is bound to, and what it does. */
const program = fc.record({
  bound: fc.uniqueArray(fc.nat(types.length - 1), { minLength: 1, maxLength: 2 }),
  steps: fc.array(step, { maxLength: 4 }),
})
/** What is published from outside; a pause lets the scheduler run something in between. */
const publication = fc.record({
  type: fc.nat(types.length - 1),
  key: fc.constantFrom(undefined, 'a', 'b'),
  pause: fc.boolean(),
})

interface Run {
  readonly handler: string
  readonly key: string | undefined
  readonly delivery: string
}

const runOf = ({ handler, key, id }: Delivery): Run => ({ handler, key, delivery: `${handler} ${id}` })

describe('for random programs of handlers that publish, fail and wait', () => {
  test('each accepted message ends in exactly one outcome per handler, and per key the order holds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(program, { minLength: 1, maxLength: 5 }),
        fc.array(publication, { minLength: 1, maxLength: 12 }),
        fc.scheduler(),
        async (handlers, publications, scheduler) => {
          const submitted: Run[] = []
          class Recording extends Engine {
            protected override place(delivery: Delivery) {
              submitted.push(runOf(delivery))
              return super.place(delivery)
            }
          }
          const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
          const dp = new Dispatcher({ logger, engine: Recording })
          const started: Run[] = []
          const ended: string[] = []
          const running = new Map<string, number>()
          const expectedRuns = new Map<string, number>()
          const expect1 = (type: number, times = 1) =>
            handlers.forEach(({ bound }, index) => {
              const name = `events/h${index}`
              if (bound.includes(type)) expectedRuns.set(name, (expectedRuns.get(name) ?? 0) + times)
            })
          let failures = 0
          let most = 0

          handlers.forEach(({ bound, steps }, index) => {
            const name = `h${index}`
            const run = async (_event: unknown, { context }: { context: Context }) => {
              const lane = context.key === undefined ? undefined : `${name} ${context.key}`
              started.push({ handler: context.handler, key: context.key, delivery: `${context.handler} ${context.id}` })
              if (lane !== undefined) {
                most = Math.max(most, (running.get(lane) ?? 0) + 1)
                running.set(lane, (running.get(lane) ?? 0) + 1)
              }
              const causes: number[] = []
              try {
                for (const one of steps) {
                  if (one.kind === 'wait') await scheduler.schedule(Promise.resolve(), name)
                  if (one.kind === 'fail') throw new Error('as the program says')
                  const type = types.indexOf(context.type as (typeof types)[number])
                  if (one.kind !== 'publish' || type + one.up >= types.length) continue
                  context.publish(types[type + one.up] as string, { key: one.key })
                  causes.push(type + one.up)
                }
                for (const type of causes) expect1(type)
              } catch (error) {
                failures += 1
                throw error
              } finally {
                ended.push(`${context.handler} ${context.id}`)
                if (lane !== undefined) running.set(lane, 0)
              }
            }
            dp.events.bind(
              bound.map((n) => types[n] as string),
              run,
              { name },
            )
          })

          await dp.start()
          const outcomes: Promise<Outcome[]>[] = []
          for (const { type, key, pause } of publications) {
            expect1(type)
            outcomes.push(dp.publish(types[type] as string, { key, waitForResponse: true }))
            if (pause && scheduler.count() > 0) await scheduler.waitOne()
          }
          const stopped = dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
          await scheduler.waitFor(stopped)

          expect(most, 'runs at once on one lane').toBeLessThanOrEqual(1)
          // One outcome per handler, each of them known.
          for (const [index, settled] of (await Promise.all(outcomes)).entries()) {
            const bound = handlers.flatMap((one, n) =>
              one.bound.includes(publications[index]?.type as number) ? [n] : [],
            )
            expect(settled.map((outcome) => outcome.handler)).toEqual(bound.map((n) => `events/h${n}`))
            expect(settled.every(({ status }) => status === 'done' || status === 'dead')).toBe(true)
          }
          // Every accepted delivery ran once and ended once, and there were as many as the program says.
          expect(new Set(ended).size).toBe(ended.length)
          expect(ended.toSorted()).toEqual(submitted.map(({ delivery }) => delivery).toSorted())
          const counts = Map.groupBy(started, (one) => one.handler)
          for (const [name, times] of expectedRuns) expect([name, counts.get(name)?.length]).toEqual([name, times])
          expect(logger.error).toHaveBeenCalledTimes(failures)
          // Per handler and key, they ran in the order in which they took their places.
          const lanes = (runs: readonly Run[]) =>
            Map.groupBy(
              runs.filter(({ key }) => key !== undefined),
              (one) => `${one.handler} ${one.key}`,
            )
          expect(lanes(started)).toEqual(lanes(submitted))
        },
      ),
      { numRuns: 300 },
    )
  })
})
