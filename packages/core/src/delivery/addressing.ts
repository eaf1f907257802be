import type { Delivery, Rest } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import type { Handler } from '../engine/handler.ts'
import { Envelope, headersOf } from '../message/envelope.ts'
import { checkMessageOptions, noOptions, type PublishOptions, recordedNames } from '../options.ts'
import type { Route } from '../routing/handler-map.ts'
import type { Outgoing } from '../routing/middleware.ts'
import { refuseAborted } from './patience.ts'
import { causedId } from '../durability/stored-envelope.ts'
import type { Verb } from './verb.ts'

/** What envelopes are made with. */
export interface AddressingParts {
  readonly engine: Engine
  /** The outgoing middleware, composed. */
  readonly outgoing: ((message: Outgoing) => void) | undefined
}

/** Gives messages what they leave with. */
export class Addressing {
  readonly #engine: Engine
  readonly #outgoing: AddressingParts['outgoing']

  constructor({ engine, outgoing }: AddressingParts) {
    this.#engine = engine
    this.#outgoing = outgoing
  }

  /**
   * What the message is sent with: its envelope; or its key, where there is nothing else to put on one yet. Nothing has
   * happened yet when it throws.
   *
   * @param by the delivery whose handler causes it.
   */
  addressed(
    verb: Verb,
    message: object | string,
    options: PublishOptions,
    route: Route<Handler>,
    by?: Delivery,
  ): Envelope | string | undefined {
    const outgoing = this.#outgoing
    if (options !== noOptions) {
      checkMessageOptions(options, by === undefined || verb === 'request' ? undefined : recordedNames)
      refuseAborted(verb, options.signal)
    }
    const { id, headers: given, correlationId } = options
    if (by === undefined && outgoing === undefined) {
      const isPlain = options === noOptions || (id === undefined && given === undefined && correlationId === undefined)
      if (isPlain) return options.key ?? undefined
    }
    const cause = by?.envelope
    let key = options.key === undefined && verb !== 'request' ? cause?.key : (options.key ?? undefined)
    let headers = headersOf(given, cause?.headers)
    if (outgoing !== undefined) {
      const leaving: Outgoing = { verb, message, type: route.type, key, headers }
      outgoing(leaving)
      ;({ key, headers } = leaving)
      checkMessageOptions({ key, headers }) // It may have changed them.
    }
    return new Envelope({
      message,
      type: route.type,
      clock: this.#engine.clock,
      key,
      headers,
      id,
      ownId: by?.rest?.kept === undefined ? undefined : causedId(by.id, by.handler, placeOf(verb, by.rest)),
      correlationId: correlationId ?? cause?.correlationId,
      cause: by?.asCause,
    })
  }
}

/** Which of its delivery's messages this one is; requests are counted by themselves, since they may fail and leave nothing. */
function placeOf(verb: Verb, rest: Rest): number | string {
  if (verb !== 'request') return rest.recorded?.length ?? 0
  rest.asked = (rest.asked ?? 0) + 1
  return `request ${rest.asked}`
}
