import type { Envelope } from '../message/envelope.ts'
import type { DelayOptions, RecordedOptions, RequestOptions } from '../options.ts'
import type { Route } from '../routing/handler-map.ts'
import type { Delivery } from './delivery.ts'
import type { Handler } from './handler.ts'

/** A message on its way out, with where it goes. */
export interface Dispatch {
  readonly message: object | string
  readonly route: Route<Handler>
  /** Its envelope; or its key, where there is nothing else to put on one yet. */
  readonly of: Envelope | string | undefined
  /** When it is to take its place, if not at once: counted from when it is let go. */
  readonly delay?: DelayOptions | undefined
}

/** How a delivery causes others. `delivery/admission.ts` is behind it. */
export interface Outlet {
  /** Makes a message ready, caused or not, without letting it go. @throws where it would be refused. */
  record(verb: 'publish' | 'send', message: object | string, options: RecordedOptions, by?: Delivery): Dispatch
  /** Lets go what was recorded, in order. */
  release(recorded: readonly Dispatch[]): void
  /** Lets a message with an id of its own be sent again: a delivery of it was given up. */
  forget(id: string): void
  /** Stores what a handler writes, what it causes, and that it is done, as one. */
  commit(work: (tx: never) => unknown, by: Delivery): Promise<unknown>
  request(message: object | string, options: RequestOptions, by: Delivery): Promise<unknown>
}
