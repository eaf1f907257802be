// A node that publishes and handles until it is told otherwise: by SIGTERM, or on its standard input.
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Pool } from 'pg'
import { type Context, Dispatcher, fixed, NonRetryable, retry } from '../../../src/index.ts'
import { postgres } from '../../../src/postgres/index.ts'
import { silent } from '../../silent.ts'
import { chanceOf } from '../chance.ts'
import { ledgerAt } from '../ledger.ts'
import type { Entry } from './entries.ts'
import { Caused, Last, Work } from './messages.ts'
import { publishing } from './publishing.ts'
import { SETTINGS } from './settings.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    ledger: { type: 'string', default: '' },
    node: { type: 'string', default: '' },
    seed: { type: 'string', default: '0' },
  },
})
const { node, url: connectionString } = values
const write = ledgerAt<Entry>(values.ledger)
const { service, schema, leaseMs, pollMs, statementTimeoutMs } = SETTINGS
const pool = new Pool({ connectionString, application_name: node, max: 10 })
pool.on('error', () => {})
const store = postgres({ pool, schema, leaseMs, pollMs, statementTimeoutMs, migrate: false })
const recover = retry({ attempts: 10_000, backoff: fixed(20) })
const dp = new Dispatcher({ service, store, logger: silent, recover })
let isHealed = false

/** A handler that writes down when it starts and ends, and has nothing to do with the last message. */
function writingDown<M extends Work | Caused>(handle: (message: M, context: Context) => Promise<void>) {
  return async (message: M | Last, { context }: { context: Context }): Promise<void> => {
    if (message instanceof Last) return
    const { id, handler: name, key = null, replayed } = context
    write({ is: 'start', node, handler: name, id, key, replayed, at: Date.now() })
    let error: string | undefined = 'thrown'
    try {
      await handle(message, context)
      error = undefined
    } catch (thrown) {
      const { code } = thrown as { readonly code?: unknown }
      if (typeof code === 'string') error = code
      throw thrown
    } finally {
      write({ is: 'end', node, handler: name, id, key, ok: error === undefined, error, at: Date.now() })
    }
  }
}

async function commit(context: Context, { cause = null, isUndone = false, tookMs = 0 }: Effects = {}): Promise<void> {
  const { id, handler: name, key = null } = context
  await context.commit(async (tx) => {
    await tx.query('INSERT INTO oracle.effect (handler, id, key, cause, node) VALUES ($1, $2, $3, $4, $5)', [
      name,
      id,
      key,
      cause,
      node,
    ])
    if (tookMs > 0) await delay(tookMs)
    if (isUndone) throw new Error('undone')
  })
}

interface Effects {
  readonly cause?: string | null
  readonly isUndone?: boolean
  readonly tookMs?: number
}

function failAsMeant({ kind }: Work, { attempt }: Context): void {
  if (kind === 'flaky' && attempt <= 2) throw new Error('flaky')
}

dp.events.bind(
  [Work, Last],
  writingDown(async (work: Work, context) => {
    failAsMeant(work, context)
    await commit(context, { isUndone: work.kind === 'undone' && context.attempt === 1, tookMs: work.n % 20 })
    if (work.kind === 'late') throw new Error('late')
  }),
  { name: 'commits' },
)
dp.events.bind(
  [Work, Last],
  writingDown(async (work: Work) => delay(work.n % 40)),
  { name: 'plain' },
)
dp.events.bind(
  [Work, Last],
  writingDown(async (work: Work, context) => {
    await delay(1)
    failAsMeant(work, context)
  }),
  { name: 'fails' },
)
dp.events.bind(
  [Work, Last],
  writingDown(async (work: Work, context) => {
    if (work.kind === 'dead' && !isHealed) throw new NonRetryable('dead')
    await commit(context)
  }),
  { name: 'parks', onDead: 'park' },
)
dp.events.bind(
  [Work, Last],
  writingDown(async (work: Work, context) => {
    context.publish(new Caused({ by: context.id }))
    failAsMeant(work, context)
    if (work.n % 2 === 0) await commit(context)
  }),
  { name: 'causes' },
)
dp.events.bind(
  [Caused, Last],
  writingDown((caused: Caused, context) => commit(context, { cause: caused.by })),
  { name: 'caused' },
)
for (const name of ['storeLost', 'unstored', 'recoverFailed', 'listenerFailed', 'orphaned', 'typeRemoved'] as const) {
  dp.observe(name, (notice) => write({ is: 'alarm', node, text: `${name} ${JSON.stringify(notice)}` }))
}
for (const name of ['storeFailed', 'storeCloseFailed', 'claimLost', 'suspects', 'late', 'stalled'] as const) {
  dp.observe(name, (notice) => write({ is: 'notice', node, name, text: textOf(notice), at: Date.now() }))
}

function textOf(notice: object): string {
  const { error, handler = '' } = notice as { readonly error?: Error; readonly handler?: string }
  return `${handler} ${error?.message ?? ''}`
}

const publisher = publishing({ dp, pool, node, write, random: chanceOf(Number(values.seed)) })
process.once('SIGTERM', () => void stop())
await start()
console.log('up')
publisher.start()

const commands: Record<string, () => unknown> = {
  quiet: () => publisher.stop(),
  heal: () => (isHealed = true),
  replay: replayOwn,
  last: () => publisher.last(),
}
createInterface(process.stdin)
  .on('line', (command) => {
    // It is said again where it was in vain.
    void Promise.resolve(commands[command]?.()).catch(() => {})
  })
  // Whoever started it is gone.
  .once('close', () => process.exit(1))

/** What is dead where another node has its partition is left to that one. */
async function replayOwn(): Promise<void> {
  const { letters } = await dp.deadLetters.list({ handler: 'events/parks' })
  for (const letter of letters) if (!letter.isReplaying) await dp.deadLetters.replay(letter.id).catch(() => {})
}

/** While the server is away, it cannot be started. */
async function start(): Promise<void> {
  for (;;) {
    try {
      await dp.start()
      return
    } catch {
      await delay(100)
    }
  }
}

async function stop(): Promise<void> {
  publisher.stop()
  await dp.stop()
  await publisher.idle()
  console.log('stopped')
  process.exit(0)
}
