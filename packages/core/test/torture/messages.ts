import { defineEvent } from '../../src/index.ts'

/**
 * What a handler does with a piece of work. Each does what concerns it, and the usual for all others.
 *
 * - `flaky`: the first two attempts fail. `undone`: the first attempt throws inside of `commit`. `late`: after it.
 * - `dead`: fails for good. `poison`: ends the process.
 */
export type Kind = 'plain' | 'flaky' | 'undone' | 'late' | 'dead' | 'poison'

/** Something to do. `seq` grows with each publication, over all processes. */
export class Work extends defineEvent<{ seq: number; kind: Kind }>('torture.work') {}

/** What one piece of work has caused. */
export class Caused extends defineEvent<{ seq: number; by: string }>('torture.caused') {}

/** What comes when it is due: published so, or caused by a piece of work. */
export class Later extends defineEvent<{ seq: number; by: string }>('torture.later') {}

/** What is scheduled. */
export class Tick extends defineEvent<{ seq: number }>('torture.tick') {}

/** The last of all: it comes to every handler. */
export class Last extends defineEvent<{ seq: number }>('torture.last') {}
