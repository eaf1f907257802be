/** How much there is in a store. */
export interface StoreStats {
  /** The position of the last message of each partition, added up. */
  readonly appended: number
  /** How many messages are in the log. */
  readonly messages: number
  readonly delayed: number
  readonly deadLetters: number
  readonly subscriptions: readonly {
    readonly name: string
    /** How many messages are behind its cursor, whoever takes them. */
    readonly behind: number
    readonly exceptions: number
  }[]
}
