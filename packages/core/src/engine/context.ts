import type { MessageHeaders } from '../message/augmentable.ts'
import type { Fits, ResultOf } from '../message/kind.ts'
import type { MessageOptions, RequestOptions } from '../options.ts'
import type { Context } from '../routing/context.ts'
import type { Delivery } from './delivery.ts'

/** The {@link Context} of one attempt. */
export class DeliveryContext implements Context {
  readonly #delivery: Delivery
  readonly #engine: { readonly stopping: boolean }

  constructor(delivery: Delivery, engine: { readonly stopping: boolean }) {
    this.#delivery = delivery
    this.#engine = engine
  }

  get type(): string {
    return this.#delivery.envelope.type
  }

  get handler(): string {
    return this.#delivery.handler.name
  }

  get id(): string {
    return this.#delivery.envelope.id
  }

  get key(): string | undefined {
    return this.#delivery.envelope.key
  }

  get attempt(): number {
    return 1
  }

  get headers(): MessageHeaders {
    return this.#delivery.envelope.headers
  }

  get correlationId(): string {
    return this.#delivery.envelope.correlationId
  }

  get causationId(): string | undefined {
    return this.#delivery.envelope.causationId
  }

  get time(): Date {
    return new Date(this.#delivery.envelope.time)
  }

  get signal(): AbortSignal {
    return this.#delivery.signal
  }

  get stopping(): boolean {
    return this.#engine.stopping
  }

  publish(event: Fits<'event'> | string, options: MessageOptions = {}): void {
    this.#delivery.record('publish', event, options)
  }

  send(command: Fits<'command'> | string, options: MessageOptions = {}): void {
    this.#delivery.record('send', command, options)
  }

  request<M extends Fits<'command' | 'query'> | string>(
    message: M,
    options: RequestOptions = {},
  ): Promise<ResultOf<M>> {
    // The handler was bound to this very class, with this result.
    return this.#delivery.outlet.request(message, options, this.#delivery) as Promise<ResultOf<M>>
  }
}
