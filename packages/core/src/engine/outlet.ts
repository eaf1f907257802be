import type { Envelope } from '../message/envelope.ts'
import type { MessageOptions, RequestOptions } from '../options.ts'
import type { Route } from '../routing/handler-map.ts'
import type { Delivery } from './delivery.ts'
import type { Handler } from './handler.ts'

/** A message on its way out, with where it goes. */
export interface Dispatch {
  readonly envelope: Envelope
  readonly route: Route<Handler>
  /** The id that the caller gave it, if it did. */
  readonly givenId: string | undefined
}

/** How a delivery causes others. `delivery/admission.ts` is behind it. */
export interface Outlet {
  /** Makes the envelope of a caused message, without letting it go. @throws where it would be refused. */
  record(verb: 'publish' | 'send', message: unknown, options: MessageOptions, by: Delivery): Dispatch
  /** Lets go what was recorded, in order. */
  release(recorded: readonly Dispatch[]): void
  request(message: unknown, options: RequestOptions, by: Delivery): Promise<unknown>
}
