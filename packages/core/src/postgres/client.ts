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

/** A connection, checked out from its pool: a `PoolClient` of `pg` is one. */
export interface PostgresClient extends PostgresTransaction {
  /** @param destroy whether the connection is not to be used again. */
  release(destroy?: boolean | Error): void
  on(event: 'notification' | 'error' | 'end', listener: (given: unknown) => void): unknown
  removeListener(event: 'notification' | 'error' | 'end', listener: (given: unknown) => void): unknown
}

/** Where connections come from: a `Pool` of `pg` is one. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
}
