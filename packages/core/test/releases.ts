import { defineEvent } from '../src/index.ts'

/** The name of a message that two releases know, each as its own class. */
export const TYPE = 'shop.placed'

/** As the older release knows it. */
export class Placed extends defineEvent<{ n: number }>(TYPE) {}

/** As the newer one does, which reads the older's too. */
export class PlacedNow extends defineEvent<{ order: number }>(TYPE) {
  static readonly version = 2
  static upcast(data: object): object {
    return { order: (data as { n: number }).n }
  }
}

/** What only some nodes know. */
export class Paid extends defineEvent<{ n: number }>('shop.paid') {}
