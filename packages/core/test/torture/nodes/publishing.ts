import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { Dispatcher } from '../../../src/index.ts'
import { partitionOf } from '../../../src/ports/stable-hash.ts'
import type { Entry } from './entries.ts'
import { type Kind, Last, Work } from './messages.ts'
import { SETTINGS } from './settings.ts'

interface PublishingParts {
  readonly dp: Dispatcher
  readonly pool: Pool
  readonly node: string
  readonly write: (entry: Entry) => void
  readonly random: () => number
}

export interface Publisher {
  start(): void
  stop(): void
  /** Resolves when nothing of it is under way. */
  idle(): Promise<void>
  /** Publishes what comes to every handler in every partition: what concerns nobody is written with the next that does. */
  last(): Promise<void>
}

const UNDER_WAY_AT_MOST = 40
const kinds: readonly Kind[] = ['flaky', 'flaky', 'undone', 'late', 'dead']

/**
 * Publishes at random: at once or delayed, with a key or without, in a transaction of its own, which is rolled back at times. Where a
 * publication fails, nobody knows whether it is stored: it is published again with the same id.
 */
export function publishing({ dp, pool, node, write, random }: PublishingParts): Publisher {
  let n = 0
  const state = { isOn: false }
  const underWay = new Set<Promise<void>>()

  async function publishAll(): Promise<void> {
    while (state.isOn) {
      for (let left = Math.floor(random() * 4); left > 0 && underWay.size < UNDER_WAY_AT_MOST; left -= 1) publishOne()
      await delay(random() * 400)
    }
  }

  function publishOne(): void {
    const chance = random()
    const publication = chance < 0.7 ? publish() : chance < 0.8 ? publish(random() * 500) : inTransaction()
    const settled: Promise<void> = publication.catch(() => {}).finally(() => underWay.delete(settled))
    underWay.add(settled)
  }

  function work(): Work {
    n += 1
    const chance = random()
    const kind = chance < 0.3 ? kinds[Math.floor(random() * kinds.length)] : 'plain'
    // What is dead has its key wait: there are few of them.
    return new Work({ n, kind: kind === 'dead' && chance > 0.05 ? 'plain' : (kind ?? 'plain') })
  }

  const someKey = (): string | null => (random() < 0.15 ? null : `k${Math.floor(random() * SETTINGS.keys)}`)

  async function publish(delayMs?: number): Promise<void> {
    const message = work()
    const id = `${node}-${message.n}`
    const key = someKey()
    const options = { id, key, ...(delayMs !== undefined && { delayMs }) }
    for (let attempt = 1; ; attempt += 1) {
      try {
        await dp.publish(message, options)
        const isInOrder = attempt === 1 && delayMs === undefined
        write({ is: 'published', node, id, key, n: message.n, isInOrder })
        return
      } catch (error) {
        if (attempt === 5) throw error
        await delay(200)
      }
    }
  }

  /** One or two messages, and a row for each. */
  async function inTransaction(): Promise<void> {
    const messages = Array.from({ length: 1 + Math.floor(random() * 2) }, work)
    const client = await pool.connect()
    const ignore = (): void => {} // It is heard of by whoever waits for the statement.
    client.on('error', ignore)
    const stored: { id: string; key: string | null; n: number }[] = []
    let isDone = false
    try {
      await client.query('BEGIN')
      for (const message of messages) {
        const id = `tx-${node}-${message.n}`
        const key = someKey()
        await client.query('INSERT INTO oracle.business VALUES ($1)', [id])
        await dp.publish(message, { id, key, tx: client })
        stored.push({ id, key, n: message.n })
      }
      const isCommitted = random() < 0.8
      await client.query(isCommitted ? 'COMMIT' : 'ROLLBACK')
      isDone = true
      if (isCommitted) for (const one of stored) write({ is: 'published', node, ...one, isInOrder: false })
    } finally {
      client.removeListener('error', ignore)
      client.release(!isDone)
    }
  }

  return {
    start: () => {
      state.isOn = true
      void publishAll()
    },
    stop: () => void (state.isOn = false),
    idle: async () => void (await Promise.allSettled(underWay)),
    last: async () => {
      const keys = Array.from({ length: 100 }, (_, key) => `last${key}`)
      for (let partition = 0; partition < SETTINGS.partitions; partition += 1) {
        const key = keys.find((one) => partitionOf(one, SETTINGS.partitions) === partition)
        await dp.publish(new Last({ n: partition }), { key: key ?? null })
      }
    },
  }
}
