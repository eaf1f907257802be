import type { Numbered } from './case.ts'

/** What every peer is asked: a plain class, with no mark of anyone's. */
export class Ask implements Numbered {
  readonly n: number

  constructor(n: number) {
    this.n = n
  }
}

/** What every peer is told. */
export class Told implements Numbered {
  readonly n: number

  constructor(n: number) {
    this.n = n
  }
}
