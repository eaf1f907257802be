import { setTimeout as delay } from 'node:timers/promises'
import { type Context, defineEvent, Dispatcher, fixed, NonRetryable, retry } from '../../../src/index.ts'
import { postgres, type PostgresTransaction } from '../../../src/postgres/index.ts'
import { silent } from '../../silent.ts'
import { KillablePool } from './killable-pool.ts'

/**
 * What handlers do with it. `flaky`: the first two attempts fail. `dead`: fails for good where it parks, until all is healed.
 * `slow`: it takes its time.
 */
export type Kind = 'plain' | 'flaky' | 'dead' | 'slow'

export class Work extends defineEvent<{ n: number; kind: Kind }>('generations.work') {}
export class Caused extends defineEvent<{ n: number }>('generations.caused') {}
/** What only one handler takes: it is passed by the others. */
export class Other extends defineEvent<{ n: number }>('generations.other') {}

/** A run of a handler. */
export interface Run {
  readonly node: string
  readonly handler: string
  readonly key: string | undefined
  readonly what: string
  hasEnded: 'no' | 'ok' | 'failed'
}

/** What all nodes of a program share, and write down. */
export interface World {
  readonly url: string
  readonly schema: string
  readonly partitions: number
  readonly runs: Run[]
  /** What must not be. */
  readonly broken: string[]
  isHealed: boolean
}

/** A node of its own, with its own connections. */
export class Node {
  readonly name: string
  readonly dp: Dispatcher
  readonly pool: KillablePool
  isDead = false
  #stopped: Promise<void> | undefined

  constructor(world: World, name: string) {
    this.name = name
    this.pool = new KillablePool(world.url, name)
    const { schema, partitions } = world
    const store = postgres({
      pool: this.pool,
      schema,
      partitions,
      leaseMs: 900,
      pollMs: 100,
      statementTimeoutMs: 10_000,
    })
    const recover = retry({ attempts: 1_000, backoff: fixed(15) })
    this.dp = new Dispatcher({ service: 'generations', store, logger: silent, recover })
    bindAll(this.dp, world, this)
  }

  /** As a process that is killed: nothing of it reaches the server any more. */
  async kill(): Promise<void> {
    this.isDead = true
    await this.pool.kill()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    await this.dp.stop({ deadlineMs: this.isDead ? 100 : 10_000 })
    await this.pool.end()
  }
}

function bindAll(dp: Dispatcher, world: World, node: Node): void {
  const written =
    <M extends { readonly n: number }>(handle: (message: M, context: Context) => Promise<void>) =>
    async (message: M, { context }: { context: Context }): Promise<void> => {
      const { handler, key, attempt } = context
      const what = `${context.type} ${message.n}`
      const run: Run = { node: node.name, handler, key, what, hasEnded: 'no' }
      if (!node.isDead) world.broken.push(...before(run, world.runs, attempt))
      world.runs.push(run)
      try {
        await handle(message, context)
        run.hasEnded = 'ok'
      } catch (error) {
        run.hasEnded = 'failed'
        throw error
      }
    }
  const effect = (context: Context, n: number): Promise<unknown> =>
    context.commit(async (tx) => {
      const { handler, type, key = null } = context
      const text = `INSERT INTO ${world.schema}_effect (handler, key, what) VALUES ($1, $2, $3)`
      await (tx as PostgresTransaction).query(text, [handler, key, `${type} ${n}`])
    })
  const asMeant = async ({ kind }: Work, { attempt }: Context): Promise<void> => {
    if (kind === 'slow') await delay(60)
    if (kind === 'flaky' && attempt <= 2) throw new Error('flaky')
  }
  dp.events.bind(Work, written(asMeant), { name: 'plain' })
  dp.events.bind(
    Work,
    written(async (work: Work, context) => {
      if (work.kind === 'dead' && !world.isHealed) throw new NonRetryable('dead')
      await effect(context, work.n)
    }),
    { name: 'parks', onDead: 'park' },
  )
  dp.events.bind(
    Work,
    written(async (work: Work, context) => {
      await asMeant(work, context)
      context.publish(new Caused({ n: work.n }))
      await effect(context, work.n)
    }),
    { name: 'causes' },
  )
  dp.events.bind(
    Caused,
    written(async (caused: Caused, context) => void (await effect(context, caused.n))),
    { name: 'caused' },
  )
  dp.events.bind(
    Other,
    written(async () => {}),
    { name: 'others' },
  )
}

/** What is wrong with a run that begins: nothing of its lane runs, and it has not succeeded before. */
function before(run: Run, runs: readonly Run[], attempt: number): string[] {
  const own = runs.filter(({ handler, key, what }) => {
    return handler === run.handler && (what === run.what || (key !== undefined && key === run.key))
  })
  return own.flatMap((other) => {
    const text = `${run.handler} ${run.key}: ${run.what} (attempt ${attempt}, ${run.node})`
    if (other.hasEnded === 'no') return [`${text} began while ${other.what} ran (${other.node}).`]
    return other.what === run.what && other.hasEnded === 'ok' ? [`${text} ran again (${other.node}).`] : []
  })
}
