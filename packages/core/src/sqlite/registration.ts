import { Progress } from '../ports/progress.ts'
import { checkSubscriptions } from '../ports/store-settings.ts'
import type { Finding, Subscription } from '../ports/store.ts'
import { prepare, type SqliteDatabase, type SqlValue } from './handle.ts'

interface Registration {
  readonly database: SqliteDatabase
  readonly subscriptions: readonly Subscription[]
  /** The names of subscriptions to be removed. */
  readonly forget: readonly string[]
  /** Where one begins that is to begin at the beginning; `undefined` where finished messages are not kept. */
  readonly beginning: ((pruned: number) => number) | undefined
}

/** What the file knows after it. */
export interface Registered {
  readonly findings: readonly Finding[]
  /** The subscriptions of this node: their ids, by name. */
  readonly ids: ReadonlyMap<string, number>
  /** The types that are taken by anyone. */
  readonly taken: ReadonlySet<string>
}

interface Row {
  readonly id: number
  readonly name: string
}

/** Makes the subscriptions those of this node, in the transaction that is open. */
export function register(registration: Registration): Registered {
  const { subscriptions, database, forget, beginning } = registration
  checkSubscriptions(subscriptions, { forget, keeps: beginning !== undefined })
  const registrar = new Registrar(database, beginning)
  for (const name of forget) registrar.forget(name)
  const names = new Set(subscriptions.map(({ name }) => name))
  const ids = new Map<string, number>()
  for (const subscription of subscriptions) ids.set(subscription.name, registrar.register(subscription, names))
  registrar.findOrphans(names)
  database.exec('UPDATE iambus_claim SET is_held = 0')
  const rows = registrar.all('SELECT DISTINCT type FROM iambus_subscription_type WHERE up_to IS NULL')
  const taken = new Set((rows as { readonly type: string }[]).map(({ type }) => type))
  return { findings: registrar.findings, ids, taken }
}

class Registrar {
  readonly findings: Finding[] = []
  readonly #database: SqliteDatabase
  readonly #beginning: Registration['beginning']
  readonly #tail: number
  readonly #pruned: number

  constructor(database: SqliteDatabase, beginning: Registration['beginning']) {
    this.#database = database
    this.#beginning = beginning
    const { tail, pruned } = this.get('SELECT tail, pruned FROM iambus_log') as { tail: number; pruned: number }
    this.#tail = tail
    this.#pruned = pruned
  }

  get(sql: string, ...values: SqlValue[]): unknown {
    return prepare(this.#database, sql).get(...values)
  }

  all(sql: string, ...values: SqlValue[]): unknown[] {
    return prepare(this.#database, sql).all(...values)
  }

  run(sql: string, ...values: SqlValue[]): void {
    prepare(this.#database, sql).run(...values)
  }

  #named(name: string): Row | undefined {
    return this.get('SELECT id, name FROM iambus_subscription WHERE name = ?', name) as Row | undefined
  }

  /** `names`: those of all the others, which nobody takes over. */
  register(subscription: Subscription, names: ReadonlySet<string>): number {
    const { name } = subscription
    const known = this.#named(name) ?? this.#renamed(subscription, names)
    const id = known?.id ?? this.#add(subscription)
    this.#register(id, subscription)
    return id
  }

  #renamed({ name, formerly }: Subscription, names: ReadonlySet<string>): Row | undefined {
    for (const from of formerly) {
      const row = names.has(from) ? undefined : this.#named(from)
      if (row === undefined) continue
      this.run('UPDATE iambus_subscription SET name = ? WHERE id = ?', name, row.id)
      this.run('UPDATE iambus_dead_letter SET subscription = ? WHERE subscription = ?', name, from)
      this.findings.push({ kind: 'renamed', subscription: name, from })
      return row
    }
    return undefined
  }

  #add({ name, types, from }: Subscription): number {
    this.run('INSERT INTO iambus_subscription (name) VALUES (?)', name)
    const { id } = this.#named(name) as Row
    const start = from === 'beginning' ? (this.#beginning?.(this.#pruned) ?? this.#tail) : this.#tail
    const { finished } = new Progress(start)
    this.run('INSERT INTO iambus_claim VALUES (?, 0, 0, ?, ?, ?, 1, 0)', id, start, start, finished)
    for (const type of types) this.#take(id, type, start)
    this.findings.push({ kind: 'added', subscription: name })
    return id
  }

  #take(id: number, type: string, after: number): void {
    this.run('INSERT OR REPLACE INTO iambus_subscription_type VALUES (?, ?, ?, NULL)', id, type, after)
  }

  /** Types that it takes from now on, and types that it takes no more. */
  #register(id: number, { name, types }: Subscription): void {
    // What it has passed needs no range any more.
    this.run(
      `DELETE FROM iambus_subscription_type WHERE subscription = ?
        AND up_to <= (SELECT cursor FROM iambus_claim WHERE subscription = ? AND partition = 0)`,
      id,
      id,
    )
    const rows = this.all('SELECT type FROM iambus_subscription_type WHERE subscription = ? AND up_to IS NULL', id)
    const taken = new Set((rows as { readonly type: string }[]).map(({ type }) => type))
    for (const type of new Set(types)) if (!taken.has(type)) this.#take(id, type, this.#tail)
    for (const type of taken) if (!types.includes(type)) this.#takeNoMore(id, name, type)
  }

  #takeNoMore(id: number, name: string, type: string): void {
    this.run(
      'UPDATE iambus_subscription_type SET up_to = ? WHERE subscription = ? AND type = ? AND up_to IS NULL',
      this.#tail,
      id,
      type,
    )
    this.run('DELETE FROM iambus_subscription_type WHERE subscription = ? AND up_to <= after', id)
    const { pending } = this.get(
      `SELECT (SELECT count(*) FROM iambus_message WHERE type = ? AND position > c.cursor)
          + (SELECT count(*) FROM iambus_exception e JOIN iambus_message m ON m.position = e.position
              WHERE e.subscription = c.subscription AND m.type = ? AND e.position <= c.cursor) AS pending
        FROM iambus_claim c WHERE c.subscription = ? AND c.partition = 0`,
      type,
      type,
      id,
    ) as { readonly pending: number }
    this.findings.push({ kind: 'typeRemoved', subscription: name, type, pending })
  }

  findOrphans(names: ReadonlySet<string>): void {
    for (const { name, pending } of this.#pending()) {
      if (!names.has(name)) this.findings.push({ kind: 'orphan', subscription: name, pending })
    }
  }

  /** How many messages may be waiting for each subscription, at most. */
  #pending(): { readonly name: string; readonly pending: number }[] {
    const rows = this.all(
      `SELECT s.name, c.cursor, (SELECT count(*) FROM iambus_exception e WHERE e.subscription = s.id) AS exceptions
        FROM iambus_subscription s JOIN iambus_claim c ON c.subscription = s.id AND c.partition = 0 ORDER BY s.id`,
    ) as { readonly name: string; readonly cursor: number; readonly exceptions: number }[]
    return rows.map(({ name, cursor, exceptions }) => ({ name, pending: this.#tail - cursor + exceptions }))
  }

  /** Its dead letters stay: they can be looked at, and removed one by one. */
  forget(name: string): void {
    const row = this.#named(name)
    if (row === undefined) return
    const { id } = row
    const pending = this.#pending().find((one) => one.name === name)?.pending ?? 0
    this.findings.push({ kind: 'forgotten', subscription: name, pending })
    const held = 'SELECT position FROM iambus_exception WHERE subscription = ?'
    const heldByOthers =
      'SELECT 1 FROM iambus_exception e WHERE e.position = iambus_message.position AND e.subscription <> ?'
    this.run(
      `DELETE FROM iambus_message WHERE position <= ? AND position IN (${held}) AND NOT EXISTS (${heldByOthers})`,
      this.#pruned,
      id,
      id,
    )
    this.run('UPDATE iambus_log SET messages = messages - changes()')
    for (const table of ['exception', 'claim', 'subscription_type']) {
      this.run(`DELETE FROM iambus_${table} WHERE subscription = ?`, id)
    }
    this.run('DELETE FROM iambus_subscription WHERE id = ?', id)
  }
}
