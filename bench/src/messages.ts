/** What every peer is asked: a plain class, with no mark of anyone's. */
export class Ask {
  readonly n: number

  constructor(n: number) {
    this.n = n
  }
}

/** What every peer is told. */
export class Told {
  readonly n: number

  constructor(n: number) {
    this.n = n
  }
}
