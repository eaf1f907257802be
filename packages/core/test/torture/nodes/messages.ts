import { defineEvent } from '../../../src/index.ts'

/**
 * What handlers do with a piece of work; each does what concerns it, and the usual for all others.
 *
 * - `flaky`: the first two attempts fail. `undone`: the first attempt throws inside of `commit`. `late`: after it.
 * - `dead`: fails for good, until all is healed.
 */
export type Kind = 'plain' | 'flaky' | 'undone' | 'late' | 'dead'

/** Something to do: the `n`th of its publisher. */
export class Work extends defineEvent<{ n: number; kind: Kind }>('torture.work') {}

/** What a piece of work has caused, by its id. */
export class Caused extends defineEvent<{ by: string }>('torture.caused') {}

/** The last of all: it comes to every handler. */
export class Last extends defineEvent<{ n: number }>('torture.last') {}
