import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'pg'
import { type Context, defineEvent, Dispatcher, fixed, NonRetryable, retry } from '../../../src/index.ts'
import { postgres, type PostgresOptions } from '../../../src/postgres/index.ts'
import { silent } from '../../silent.ts'
import { TimedPool } from './timed-pool.ts'

export class Turned extends defineEvent<{ n: number; body: string }>('churn.turned') {}

interface LoadParts {
  readonly url: string
  readonly schema: string
  readonly completion: NonNullable<PostgresOptions['completion']>
  /** Messages that it publishes in a second, at most. */
  readonly rate: number
  /** For how long ids are remembered, in milliseconds. */
  readonly dedupeMs: number
}

const NODES = 2
/** How often messages are published in a second: those of one turn go together. */
const TURNS = 20
const body = 'x'.repeat(200)

/** Nodes with two handlers, and what keeps them busy: publications, retries, delays, ids, transactions of callers, dead letters. */
export class Load {
  readonly pool: TimedPool
  /** What was handled, by both handlers. */
  handled = 0
  published = 0
  readonly #parts: LoadParts
  readonly #callers: Pool
  readonly #nodes: Dispatcher[] = []
  readonly #switch = { isOn: true }
  #publishing: Promise<unknown> = Promise.resolve()

  constructor(parts: LoadParts) {
    this.#parts = parts
    this.pool = new TimedPool({ connectionString: parts.url, max: 20 })
    this.#callers = new Pool({ connectionString: parts.url, max: 4 })
  }

  async start(): Promise<void> {
    const { schema, completion, dedupeMs, rate } = this.#parts
    for (let node = 0; node < NODES; node += 1) {
      const store = postgres({ pool: this.pool, schema, completion, dedupeMs })
      const dp = new Dispatcher({ service: 'churn', store, logger: silent, recover: retry({ backoff: fixed(20) }) })
      dp.events.bind(Turned, async (message, { context }) => this.#handle(message, context), { name: 'one' })
      dp.events.bind(Turned, () => void (this.handled += 1), { name: 'other' })
      await dp.start()
      this.#nodes.push(dp)
    }
    this.#publishing = Promise.all(this.#nodes.map((dp) => this.#publishAll(dp, rate / NODES)))
  }

  async stop(): Promise<void> {
    this.#switch.isOn = false
    await this.#publishing
    await Promise.all(this.#nodes.map((dp) => dp.stop()))
    await this.pool.pool.end()
    await this.#callers.end()
  }

  async #handle({ n }: Turned, context: Context): Promise<void> {
    if (n % 10 === 1 && context.attempt === 1) throw new Error('flaky')
    if (n % 200 === 3) throw new NonRetryable('dead')
    if (n % 50 === 5) await context.commit(() => {})
    this.handled += 1
  }

  async #publishAll(dp: Dispatcher, rate: number): Promise<void> {
    const start = performance.now()
    for (let turn = 1; this.#switch.isOn; turn += 1) {
      const size = Math.round(rate / TURNS)
      await Promise.all(Array.from({ length: size }, () => this.#publish(dp, (this.published += 1))))
      if (turn % (10 * TURNS) === 0) await dp.deadLetters.discard({})
      await delay(Math.max(0, start + (turn * 1_000) / TURNS - performance.now()))
    }
  }

  #publish(dp: Dispatcher, n: number): Promise<unknown> {
    const message = new Turned({ n, body })
    const key = `key-${n % 64}`
    if (n % 20 === 7) return dp.publish(message, { key, delayMs: 500 })
    if (n % 10 === 9) return dp.publish(message, { key, id: `${this.#parts.schema}-${n}` })
    return n % 50 === 11 ? this.#publishInTransaction(dp, message, key) : dp.publish(message, { key })
  }

  async #publishInTransaction(dp: Dispatcher, message: Turned, key: string): Promise<void> {
    const client = await this.#callers.connect()
    await client.query('BEGIN')
    await dp.publish(message, { tx: client, key })
    await client.query('COMMIT')
    client.release()
  }
}
