/** What nodes, and whoever torments them, write into the ledger: the order of its lines is that in which it happened. */
export type Entry =
  /** The promise of `publish` was resolved, or the transaction committed. `isInOrder`: called once, and without a delay. */
  | {
      readonly is: 'published'
      readonly node: string
      readonly id: string
      readonly key: string | null
      readonly n: number
      readonly isInOrder: boolean
    }
  | Start
  /** A handler has returned (`ok`), or has thrown. */
  | (Run & { readonly is: 'end'; readonly ok: boolean; readonly error?: string | undefined })
  /** Its `stop()` has ended, or it is gone otherwise: nothing runs there any more. `isKilled`: while others were left. */
  | { readonly is: 'gone'; readonly node: string; readonly isKilled: boolean; readonly at: number }
  /** Something was done to a node, or to the server. */
  | { readonly is: 'fault'; readonly what: string; readonly at: number }
  /** A notice that may come in such times. */
  | { readonly is: 'notice'; readonly node: string; readonly name: string; readonly text: string; readonly at: number }
  /** A notice that must not come. */
  | { readonly is: 'alarm'; readonly node: string; readonly text: string }

/** Times are those of the machine, in milliseconds: the server's too. */
interface Run {
  readonly node: string
  readonly handler: string
  readonly id: string
  readonly key: string | null
  readonly at: number
}

export type Start = Run & { readonly is: 'start'; readonly replayed: boolean }
