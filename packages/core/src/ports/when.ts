/** The times at which something recurs. */
export interface When {
  /**
   * The first time after `afterMs`, both in milliseconds since 1970; `undefined` if it never comes again. It depends on
   * nothing else: then all nodes agree.
   */
  next(afterMs: number): number | undefined
}
