/** The accounts, as their service has them. It is not ours: each call goes over a network. */
export class Accounts {
  readonly #euros = new Map([
    ['anna', 100],
    ['ben', 100],
  ])
  readonly #done = new Set<string>()

  /**
   * Changes what is on an account.
   *
   * @param changeId what was done under this id is not done again. Left out: it is done.
   */
  change(account: string, byEuros: number, changeId?: string): void {
    if (changeId !== undefined && this.#done.has(changeId)) return
    if (changeId !== undefined) this.#done.add(changeId)
    this.#euros.set(account, this.of(account) + byEuros)
  }

  of(account: string): number {
    return this.#euros.get(account) ?? 0
  }
}
