import { once } from 'node:events'
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { query } from '../../servers/postgres.ts'
import { privatePostgres } from '../../servers/private-postgres.ts'
import { Dispatcher } from '../../../src/index.ts'
import { postgres, postgresMigrations } from '../../../src/postgres/index.ts'
import { silent } from '../../silent.ts'
import { Work } from './messages.ts'

/** An effect takes a transaction of its own. */
const MESSAGES = { plain: 16_000, commits: 2_000 } as const
const KEYS = 64
const schema = { service: 'speed', schema: 'iambus' }

/**
 * How many messages a second nodes handle, in the order of their keys: all of them are committed at once, when the nodes have their
 * shares. Says a line for each number of nodes.
 */
export async function measure(say: (line: string) => void): Promise<void> {
  say(`Messages of ${KEYS} keys, handled in the order of their keys, over 16 partitions`)
  for (const doing of ['plain', 'commits'] as const) {
    for (const count of [1, 2, 4]) {
      const perSecond = await measureOne(doing, count)
      const how = doing === 'plain' ? 'by a handler that does nothing' : 'each with an effect in context.commit()'
      say(`${count} ${count === 1 ? 'node' : 'nodes'}, ${how}: ${Math.round(perSecond)} a second`)
    }
  }
}

async function measureOne(doing: keyof typeof MESSAGES, count: number): Promise<number> {
  await using server = await privatePostgres()
  const { url } = server
  await query(url, postgresMigrations(schema))
  await query(url, 'CREATE TABLE effect (id text)')
  const nodes = await Promise.all(Array.from({ length: count }, () => nodeOf(url, doing)))
  try {
    const most = Math.ceil(16 / count)
    const shares = 'SELECT node, count(*)::integer AS count FROM iambus.claim GROUP BY node'
    for (;;) {
      const rows = await query(url, shares)
      if (rows.length === count && rows.every((row) => row['node'] !== null && (row['count'] as number) <= most)) break
      mustLive(nodes)
      await delay(100)
    }
    await publish(url, MESSAGES[doing])
    const start = performance.now()
    const behind = 'SELECT sum(tail - cursor)::integer AS count FROM iambus.claim JOIN iambus.tail USING (partition)'
    while ((await query(url, behind))[0]?.['count'] !== 0) {
      mustLive(nodes)
      await delay(20)
    }
    return MESSAGES[doing] / ((performance.now() - start) / 1_000)
  } finally {
    for (const node of nodes) node.kill('SIGKILL')
  }
}

/** @throws Error - where one was ended by somebody else: nobody would handle what it had. */
function mustLive(nodes: readonly ChildProcess[]): void {
  const ended = nodes.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)
  if (ended !== undefined) throw new Error(`A node has ended, with ${String(ended.signalCode ?? ended.exitCode)}.`)
}

async function nodeOf(url: string, doing: string): Promise<ChildProcess> {
  const flags = ['--experimental-strip-types', '--no-warnings', join(import.meta.dirname, 'speed-program.ts')]
  const child = spawn(process.execPath, [...flags, url, doing], { stdio: ['pipe', 'pipe', 'inherit'] })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  return child
}

/** In one transaction: they are there all at once. */
async function publish(url: string, count: number): Promise<void> {
  const dp = new Dispatcher({
    service: schema.service,
    store: postgres({ connectionString: url }),
    logger: silent,
    messages: [Work],
  })
  const tx = new Client({ connectionString: url })
  await tx.connect()
  // A node without this handler, and one that nobody hands anything to.
  dp.commands.bind('none', () => {}, { durable: false })
  await dp.start()
  await tx.query('BEGIN')
  for (let n = 0; n < count; n += 1) await dp.publish(new Work({ n, kind: 'plain' }), { key: `k${n % KEYS}`, tx })
  await dp.stop()
  await tx.query('COMMIT')
  await tx.end()
}
