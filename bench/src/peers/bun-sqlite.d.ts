/** A module of Bun that the declarations of plainjob name. */
declare module 'bun:sqlite' {
  export type Database = never
}
