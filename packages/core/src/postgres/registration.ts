import { AHEAD } from '../ports/progress.ts'
import { checkSubscriptions } from '../ports/store-settings.ts'
import type { Finding, Subscription } from '../ports/store.ts'
import type { PostgresTransaction } from './client.ts'
import { numberOf } from './messages.ts'

interface Registration {
  /** As it is written in SQL. */
  readonly schema: string
  readonly node: string
  readonly leaseMs: number
  readonly subscriptions: readonly Subscription[]
  /** The names of subscriptions to be removed. */
  readonly forget: readonly string[]
  /** Whether what is finished is kept, so that a subscription can begin at the beginning. */
  readonly keeps: boolean
  readonly isArchived: boolean
}

/** What is known after it. */
export interface Registered {
  readonly findings: readonly Finding[]
  /** The subscriptions of this node: their ids, by name. */
  readonly ids: ReadonlyMap<string, number>
  /** Whether this node does what one node does for all. */
  readonly isOnDuty: boolean
}

/**
 * Makes the subscriptions those of this node, in the transaction that is open; what other nodes have that live is left to them.
 *
 * @throws {ImproperlyConfigured} for one that is to begin where nothing is any more, or is to be forgotten.
 */
export async function register(tx: PostgresTransaction, registration: Registration): Promise<Registered> {
  const { subscriptions, forget, keeps } = registration
  checkSubscriptions(subscriptions, { forget, keeps })
  const registrar = new Registrar(tx, registration)
  for (const name of forget) await registrar.forget(name)
  const names = new Set(subscriptions.map(({ name }) => name))
  const ids = new Map<string, number>()
  for (const one of subscriptions) ids.set(one.name, await registrar.register(one, names))
  const isOnDuty = await registrar.join(ids)
  await registrar.findOrphans(names)
  return { findings: registrar.findings, ids, isOnDuty }
}

interface Pending {
  readonly id: number
  readonly name: string
  readonly pending: number
  /** In milliseconds since 1970. */
  readonly since: number
}

class Registrar {
  readonly findings: Finding[] = []
  readonly #tx: PostgresTransaction
  readonly #of: Registration

  constructor(tx: PostgresTransaction, of: Registration) {
    this.#tx = tx
    this.#of = of
  }

  /** @param sql where the schema is `$`. */
  async #run(sql: string, ...values: unknown[]): Promise<readonly Record<string, unknown>[]> {
    return (await this.#tx.query(sql.replaceAll('$.', `${this.#of.schema}.`), values)).rows
  }

  async #idOf(name: string): Promise<number | undefined> {
    const [row] = await this.#run('SELECT id FROM $.subscription WHERE name = $1', name)
    return row === undefined ? undefined : numberOf(row['id'])
  }

  /** `names`: those of all the others, which nobody takes over. */
  async register(subscription: Subscription, names: ReadonlySet<string>): Promise<number> {
    const known = (await this.#idOf(subscription.name)) ?? (await this.#renamed(subscription, names))
    if (known === undefined) return this.#add(subscription)
    await this.#changeTypes(known, subscription)
    return known
  }

  async #renamed({ name, formerly }: Subscription, names: ReadonlySet<string>): Promise<number | undefined> {
    for (const from of formerly) {
      const id = names.has(from) ? undefined : await this.#idOf(from)
      if (id === undefined) continue
      await this.#run('UPDATE $.subscription SET name = $2 WHERE id = $1', id, name)
      await this.#run('UPDATE $.dead_letter SET subscription = $2 WHERE subscription = $1', from, name)
      this.findings.push({ kind: 'renamed', subscription: name, from })
      return id
    }
    return undefined
  }

  async #add({ name, types, from }: Subscription): Promise<number> {
    const [row] = await this.#run('INSERT INTO $.subscription (name, had_at) VALUES ($1, 0) RETURNING id', name)
    const id = numberOf(row?.['id'])
    // What is in the archive has been pruned, and can be read all the same.
    const beginning = this.#of.isArchived ? '0' : '(SELECT position FROM $.pruned p WHERE p.partition = t.partition)'
    const start = from === 'beginning' ? beginning : 't.tail'
    // What begins now begins in the newest generation of partitions.
    const where = from === 'beginning' ? '' : 'WHERE t.final IS NULL'
    await this.#run(
      `INSERT INTO $.claim
        SELECT $1, partition, 0, ${start}, ${start}, $2::bytea, true, NULL, $.now_ms() FROM $.tail t ${where}`,
      id,
      Buffer.alloc(AHEAD / 8),
    )
    await this.#run(
      `INSERT INTO $.subscription_type SELECT $1, type, t.partition, ${start}, NULL
        FROM $.tail t CROSS JOIN unnest($2::text[]) AS type ${where}`,
      id,
      [...new Set(types)],
    )
    // Those that were kept when it was forgotten.
    await this.#run(
      `UPDATE $.dead_letter d SET partition = $.partition_of(coalesce(d.key, d.id), g.first, g.partitions)
        FROM (SELECT * FROM $.generation ORDER BY id DESC LIMIT 1) AS g
        WHERE d.subscription = $2 AND d.partition NOT IN (SELECT partition FROM $.claim WHERE subscription = $1)`,
      id,
      name,
    )
    this.findings.push({ kind: 'added', subscription: name })
    return id
  }

  /** Types that it takes from now on, and types that it takes no more: those that no living node takes for it either. */
  async #changeTypes(id: number, { name, types }: Subscription): Promise<void> {
    // What it has passed needs no range any more.
    await this.#run(
      `DELETE FROM $.subscription_type t USING $.claim c
        WHERE t.subscription = $1 AND c.subscription = t.subscription AND c.partition = t.partition AND t.up_to <= c.cursor`,
      id,
    )
    const taken = await this.#run(
      'SELECT DISTINCT type FROM $.subscription_type WHERE subscription = $1 AND up_to IS NULL',
      id,
    )
    const others = await this.#run(
      `SELECT DISTINCT unnest(s.types) AS type FROM $.member_subscription s JOIN $.member m USING (node)
        WHERE s.subscription = $1 AND m.alive_until > $.now_ms()`,
      id,
    )
    const known = new Set(taken.map(({ type }) => type as string))
    const kept = new Set([...types, ...others.map(({ type }) => type as string)])
    const removed = [...known].filter((type) => !kept.has(type))
    // Nodes that have its claims hear of it with what they read.
    if (removed.length > 0 || types.some((type) => !known.has(type)))
      await this.#run("UPDATE $.change SET count = count + 1 WHERE what = 'types'")
    for (const type of new Set(types)) {
      if (known.has(type)) continue
      await this.#run(
        `INSERT INTO $.subscription_type SELECT $1, $2, partition, tail, NULL
          FROM $.tail JOIN $.claim c USING (partition) WHERE c.subscription = $1
          ON CONFLICT (subscription, type, partition, after) DO UPDATE SET up_to = NULL`,
        id,
        type,
      )
    }
    for (const type of removed) await this.#takeNoMore(id, name, type)
  }

  async #takeNoMore(id: number, name: string, type: string): Promise<void> {
    await this.#run(
      `UPDATE $.subscription_type s SET up_to = t.tail FROM $.tail t
        WHERE s.subscription = $1 AND s.type = $2 AND s.up_to IS NULL AND s.partition = t.partition`,
      id,
      type,
    )
    await this.#run('DELETE FROM $.subscription_type WHERE subscription = $1 AND up_to <= after', id)
    const [row] = await this.#run(
      `SELECT (SELECT count(*) FROM $.message m JOIN $.claim c ON c.partition = m.partition
            WHERE c.subscription = $1 AND m.type = $2 AND m.position > c.cursor)
          + (SELECT count(*) FROM $.exception e JOIN $.claim c USING (subscription, partition)
              JOIN $.message m ON m.partition = e.partition AND m.position = e.position
              WHERE e.subscription = $1 AND m.type = $2 AND e.position <= c.cursor) AS pending`,
      id,
      type,
    )
    this.findings.push({ kind: 'typeRemoved', subscription: name, type, pending: numberOf(row?.['pending']) })
  }

  /** From now on this node is one of those that live. Tells whether it is the one that keeps house. */
  async join(ids: ReadonlyMap<string, number>): Promise<boolean> {
    const { node, leaseMs, subscriptions } = this.#of
    await this.#run('INSERT INTO $.member VALUES ($1::uuid, $.now_ms() + $2::bigint, true)', node, leaseMs)
    for (const { name, types, versions } of subscriptions) {
      const known = types.map((type) => versions?.get(type) ?? 1)
      await this.#run(
        'INSERT INTO $.member_subscription VALUES ($1::uuid, $2, $3, $4)',
        node,
        ids.get(name),
        [...types],
        known,
      )
    }
    await this.#run('UPDATE $.subscription SET had_at = $.now_ms() WHERE id = ANY ($1::integer[])', [...ids.values()])
    const onDuty = await this.#run(
      `UPDATE $.duty SET node = $1::uuid, until = $.now_ms() + $2::bigint
        WHERE name = 'housekeeping' AND until <= $.now_ms() RETURNING name`,
      node,
      leaseMs,
    )
    return onDuty.length > 0
  }

  async findOrphans(names: ReadonlySet<string>): Promise<void> {
    const alive = await this.#run(
      `SELECT DISTINCT s.subscription FROM $.member_subscription s JOIN $.member m USING (node)
        WHERE m.alive_until > $.now_ms()`,
    )
    const had = new Set(alive.map(({ subscription }) => numberOf(subscription)))
    for (const { id, name, pending, since } of await this.#pending()) {
      if (!names.has(name) && !had.has(id)) this.findings.push({ kind: 'orphan', subscription: name, pending, since })
    }
  }

  /** How many messages may be waiting for each subscription, at most, and when a node had it last. */
  async #pending(): Promise<readonly Pending[]> {
    const rows = await this.#run(
      `SELECT s.id, s.name, s.had_at, sum(t.tail - c.cursor)
          + (SELECT count(*) FROM $.exception e WHERE e.subscription = s.id) AS pending
        FROM $.subscription s JOIN $.claim c ON c.subscription = s.id JOIN $.tail t USING (partition)
        GROUP BY s.id ORDER BY s.id`,
    )
    return rows.map((row) => ({
      id: numberOf(row['id']),
      name: row['name'] as string,
      pending: numberOf(row['pending']),
      since: numberOf(row['had_at']),
    }))
  }

  /** Its dead letters stay: they can be looked at, and removed one by one. */
  async forget(name: string): Promise<void> {
    const id = await this.#idOf(name)
    if (id === undefined) return
    const pending = (await this.#pending()).find((one) => one.id === id)?.pending ?? 0
    this.findings.push({ kind: 'forgotten', subscription: name, pending })
    await this.#run('INSERT INTO $.cleared SELECT partition, position FROM $.exception WHERE subscription = $1', id)
    for (const table of ['exception', 'claim', 'subscription_type', 'member_subscription']) {
      await this.#run(`DELETE FROM $.${table} WHERE subscription = $1`, id)
    }
    await this.#run('DELETE FROM $.subscription WHERE id = $1', id)
  }
}
