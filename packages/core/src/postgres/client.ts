/** What a statement gives. */
export interface PostgresResult {
  readonly rows: readonly Record<string, unknown>[]
}

/**
 * Whoever runs a statement: a client of `pg` is one. Parameters are `$1`, `$2`, ...; texts, numbers, booleans, `null`, arrays of
 * them, and bytes.
 */
export interface PostgresTransaction {
  query(text: string, params?: unknown[]): Promise<PostgresResult>
}

// What it is given depends on the event: the types of `pg` say the same.
// oxlint-disable-next-line typescript/no-explicit-any
type Listener = (...given: any[]) => void

/** A connection, checked out from its pool: a `PoolClient` of `pg` is one. */
export interface PostgresClient extends PostgresTransaction {
  query(text: string, params?: unknown[]): Promise<PostgresResult>
  /** A statement that is planned once on a connection, by its name. */
  query(statement: {
    readonly name: string
    readonly text: string
    readonly values: unknown[]
  }): Promise<PostgresResult>
  /** @param destroy whether the connection is not to be used again. */
  release(destroy?: boolean | Error): void
  on(event: 'notification' | 'error' | 'end', listener: Listener): unknown
  removeListener(event: 'notification' | 'error' | 'end', listener: Listener): unknown
}

/** Where connections come from: a `Pool` of `pg` is one. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
}
