import { Client, Pool, type PoolClient } from 'pg'
import type { PostgresPool, PostgresTransaction } from '../../src/postgres/index.ts'
import { postgres } from '../../src/postgres/index.ts'
import type { StoreHarness, StoreSubject } from '../../src/testing/conformance/index.ts'

const dedupeMs = 93_600_000
const leaseMs = 15_000
let count = 0

/** The Postgres store, for the suite of stores: a schema for each case. */
export function postgresHarness(connectionString: string): StoreHarness {
  return {
    name: 'postgres',
    features: ['shared', 'partitions', 'keep', 'tx', 'manyTx', 'asyncWork'],
    create: async ({ partitions, completion }) => {
      count += 1
      const subject = new Subject(connectionString, `case_${process.pid}_${count}`)
      await subject.begin()
      return subject.of({ partitions, keeps: completion === 'keep' })
    },
  }
}

/** A schema, and the connections to it. */
class Subject {
  readonly #schema: string
  readonly #connectionString: string
  readonly #admin: Pool
  /** The transactions of the caller's own that are open. */
  readonly #open = new Set<PoolClient>()
  #pool: KillablePool

  constructor(connectionString: string, schema: string) {
    this.#schema = schema
    this.#connectionString = connectionString
    this.#admin = new Pool({ connectionString, max: 20 })
    this.#admin.on('error', () => {})
    this.#pool = new KillablePool(connectionString)
  }

  async begin(): Promise<void> {
    await this.#admin.query(
      `CREATE SCHEMA ${this.#schema}; CREATE TABLE ${this.#schema}.effects (id serial, effect text)`,
    )
  }

  of({ partitions, keeps }: { readonly partitions: number; readonly keeps: boolean }): StoreSubject {
    const options = { schema: this.#schema, partitions, leaseMs, dedupeMs, pollMs: 100 }
    const open = (): ReturnType<typeof postgres> =>
      postgres({ ...options, pool: this.#pool, completion: keeps ? { keepMs: 1e12 } : 'delete' })
    let store = open()
    return {
      get store() {
        return store
      },
      dedupeMs,
      leaseMs,
      crash: async () => {
        await this.#rollBackAll()
        await this.#pool.kill()
        this.#pool = new KillablePool(this.#connectionString)
        store = open()
      },
      elapse: (ms) => this.#elapse(ms),
      begin: async () => {
        const client = await this.#admin.connect()
        this.#open.add(client)
        await client.query('BEGIN')
        const end = (how: 'COMMIT' | 'ROLLBACK') => async (): Promise<void> => {
          await client.query(how)
          this.#open.delete(client)
          client.release()
        }
        return { tx: client, commit: end('COMMIT'), rollback: end('ROLLBACK') }
      },
      write: async (tx, effect) => {
        await (tx as PostgresTransaction).query(`INSERT INTO ${this.#schema}.effects (effect) VALUES ($1)`, [effect])
      },
      effects: async () => {
        const { rows } = await this.#admin.query(`SELECT effect FROM ${this.#schema}.effects ORDER BY id`)
        return rows.map(({ effect }) => effect as string)
      },
      dispose: async () => {
        await this.#rollBackAll()
        await this.#pool.kill()
        await this.#admin.query(`DROP SCHEMA ${this.#schema} CASCADE`)
        await this.#admin.end()
      },
    }
  }

  async #rollBackAll(): Promise<void> {
    for (const client of this.#open) {
      await client.query('ROLLBACK')
      client.release()
    }
    this.#open.clear()
  }

  /** The clock of the server is not ours to set: the function that asks it is. */
  async #elapse(ms: number): Promise<void> {
    const { rows } = await this.#admin.query(`SELECT prosrc FROM pg_proc WHERE oid = '${this.#schema}.now_ms'::regproc`)
    const body = (rows[0] as { prosrc: string }).prosrc
    await this.#admin.query(
      `CREATE OR REPLACE FUNCTION ${this.#schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS '${body} + ${ms}'`,
    )
  }
}

/** A pool whose connections can be cut all at once, as those of a process that is killed. */
class KillablePool implements PostgresPool {
  readonly #pool: Pool
  readonly #clients = new Set<PoolClient>()
  readonly #connectionString: string

  constructor(connectionString: string) {
    this.#connectionString = connectionString
    this.#pool = new Pool({ connectionString, max: 100, application_name: 'conformance' })
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => {
      this.#clients.add(client)
      client.on('error', () => {})
    })
  }

  async connect(): ReturnType<PostgresPool['connect']> {
    return this.#pool.connect()
  }

  /** What the server has begun by then, it may still do: nothing else. */
  async kill(): Promise<void> {
    const pids = [...this.#clients].map((client) => Reflect.get(client, 'processID') as number)
    for (const client of this.#clients) {
      ;(Reflect.get(client, 'connection') as { stream: { destroy(): void } }).stream.destroy()
    }
    this.connect = () => Promise.reject(new Error('The process is killed.'))
    const client = new Client({ connectionString: this.#connectionString })
    await client.connect()
    try {
      for (;;) {
        const { rows } = await client.query('SELECT count(*)::int AS count FROM pg_stat_activity WHERE pid = ANY($1)', [
          pids,
        ])
        if ((rows[0] as { count: number }).count === 0) return
        await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY($1)', [pids])
      }
    } finally {
      await client.end()
    }
  }
}
