import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { OpenStore, Store } from '../../src/ports/store.ts'
import { sqlite, type SqliteOptions } from '../../src/sqlite/index.ts'
import type { StoreHarness, StoreSubject } from '../../src/testing/conformance/index.ts'

const dedupeMs = 93_600_000

/** The SQLite store, for the suite of stores: on a path, or on a connection of the caller's own. */
export function sqliteHarness(on: 'path' | 'database'): StoreHarness {
  return {
    name: `sqlite, on a ${on}`,
    features: ['keep', 'syncWork', 'openingClock', ...(on === 'path' ? (['asyncWork'] as const) : (['tx'] as const))],
    create: ({ completion }) => {
      const options: SqliteOptions = { dedupeMs, completion: completion === 'delete' ? 'delete' : { keepMs: 1e12 } }
      return on === 'path' ? onPath(options) : onDatabase(options)
    },
  }
}

function onPath(options: SqliteOptions): StoreSubject {
  const files = new Files()
  let store = files.tracked(sqlite(files.path, options))
  return {
    get store() {
      return store
    },
    dedupeMs,
    crash: () => {
      files.crash()
      store = files.tracked(sqlite(files.path, options))
    },
    write,
    effects: () => files.effects(),
    dispose: () => files.remove(),
  }
}

function onDatabase(options: SqliteOptions): StoreSubject {
  const files = new Files()
  const databases = [new DatabaseSync(files.path)]
  const current = (): DatabaseSync => databases.at(-1) as DatabaseSync
  const open = (): Store => files.tracked(sqlite({ database: current() }, options))
  let store = open()
  return {
    get store() {
      return store
    },
    dedupeMs,
    crash: () => {
      files.crash()
      databases.push(new DatabaseSync(files.path))
      store = open()
    },
    begin: () => {
      const database = current()
      database.exec('BEGIN IMMEDIATE')
      return { tx: database, commit: () => database.exec('COMMIT'), rollback: () => database.exec('ROLLBACK') }
    },
    write,
    effects: () => files.effects(),
    dispose: async () => {
      // A transaction that was open at a crash: what was open then waits for it.
      for (const database of databases) if (database.isTransaction) database.exec('ROLLBACK')
      await files.close()
      for (const database of databases) database.close()
      await files.remove()
    },
  }
}

function write(tx: unknown, effect: string): void {
  ;(tx as DatabaseSync).exec(`INSERT INTO effects (effect) VALUES ('${effect}')`)
}

/** The files of a store. After a crash it goes on with a copy: whoever has the others open writes to those. */
class Files {
  readonly #folder = mkdtempSync(join(tmpdir(), 'iambus-conformance-'))
  readonly #opened: OpenStore[] = []
  #copies = 0

  constructor() {
    const database = new DatabaseSync(this.path)
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE effects (effect TEXT)')
    database.close()
  }

  get path(): string {
    return join(this.#folder, `${this.#copies}.db`)
  }

  /** Remembers what is opened, to close it. */
  tracked(store: Store): Store {
    return {
      name: store.name,
      isShared: store.isShared,
      open: async (opening) => {
        const open = await store.open(opening)
        this.#opened.push(open)
        return open
      },
    }
  }

  /** The log first would be wrong: a checkpoint may move it into the file meanwhile. */
  crash(): void {
    const from = this.path
    this.#copies += 1
    copyFileSync(from, this.path)
    if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, `${this.path}-wal`)
  }

  effects(): string[] {
    const reader = new DatabaseSync(this.path)
    try {
      return reader
        .prepare('SELECT effect FROM effects ORDER BY rowid')
        .all()
        .map(({ effect }) => String(effect))
    } finally {
      reader.close()
    }
  }

  async close(): Promise<void> {
    for (const open of this.#opened.splice(0)) await open.close()
  }

  async remove(): Promise<void> {
    await this.close()
    rmSync(this.#folder, { recursive: true })
  }
}
