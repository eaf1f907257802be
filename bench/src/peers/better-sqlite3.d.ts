// What the declarations of plainjob name: of its driver, which has none of its own, and of Bun, which is not here.

declare module 'better-sqlite3' {
  export type Transaction<F> = F & { immediate: F }
  export interface Database {
    readonly name: string
    pragma(sql: string): unknown
    transaction<F>(run: F): Transaction<F>
    exec(sql: string): unknown
    prepare(sql: string): object
    close(): unknown
  }
  const Database: new (path: string) => Database
  export default Database
}

declare module 'bun:sqlite' {
  export type Database = never
}
