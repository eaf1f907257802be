import { asError, InvalidOption, ProviderFailed, shown } from '../errors.ts'
import type { Observer } from '../observe.ts'

export type Awaitable<T> = T | PromiseLike<T>

/** How to close what a provider opened. */
export interface ProviderOptions<T> {
  close?: (value: T) => Awaitable<void>
}

/** Something handlers need that has to be opened. Name it in a binding's `inject`; the handler gets what `open` gave. */
export class Provider<T> {
  readonly lifetime: 'singleton' | 'factory'
  readonly name: string
  readonly open: () => Awaitable<T>
  readonly close: ((value: T) => Awaitable<void>) | undefined

  constructor(
    lifetime: 'singleton' | 'factory',
    name: string,
    from: { open: () => Awaitable<T>; close?: ((value: T) => Awaitable<void>) | undefined },
  ) {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidOption(`The name of a ${lifetime} is ${shown(name)}. Pass a string, such as 'repo'.`)
    }
    if (typeof from.open !== 'function') {
      throw new InvalidOption(
        `The ${lifetime} '${name}' was given ${shown(from.open)}. Pass the function that opens it.`,
      )
    }
    this.lifetime = lifetime
    this.name = name
    this.open = from.open
    this.close = from.close
  }
}

/**
 * Opened once per dispatcher, by `start()`; closed by `stop()`, in reverse, and by a `start()` that fails later.
 *
 * ```ts
 * dp.queries.bind(BookQuery, findBooks, { inject: { repo: singleton('repo', openRepo, { close: (r) => r.end() }) } })
 * ```
 *
 * @param name tells one resource from another: the same name with the same function is the same resource.
 * @param open gives the value, or a promise of it.
 * @throws {InvalidOption} for an empty name, or what is no function.
 */
export function singleton<T>(name: string, open: () => Awaitable<T>, options?: ProviderOptions<T>): Provider<T> {
  return new Provider('singleton', name, { open, close: options?.close })
}

/** Opened for each attempt of a handler, and closed when the attempt ends. See {@link singleton}. */
export function factory<T>(name: string, open: () => Awaitable<T>, options?: ProviderOptions<T>): Provider<T> {
  return new Provider('factory', name, { open, close: options?.close })
}

/** What an `inject` object becomes for the handler: each provider replaced by what it opens. */
export type Injected<P> = { readonly [K in keyof P]: P[K] extends Provider<infer T> ? T : P[K] }

/** Open providers, each once by its name, and closed in reverse: the singletons of a dispatcher, or one attempt's factories. */
export class OpenProviders {
  readonly #observer: Observer
  readonly #values = new Map<string, unknown>()
  readonly #closers: { readonly provider: string; readonly close: () => Awaitable<void> }[] = []

  constructor(observer: Observer) {
    this.#observer = observer
  }

  /** @throws {ProviderFailed} with the provider's own error as its cause. */
  async open(provider: Provider<unknown>): Promise<unknown> {
    if (this.#values.has(provider.name)) return this.#values.get(provider.name)
    let value: unknown
    try {
      value = await provider.open()
    } catch (thrown) {
      const { lifetime, name } = provider
      const cause = asError(thrown)
      throw new ProviderFailed(name, `The ${lifetime} '${name}' could not be opened: ${cause.message}`, { cause })
    }
    this.#values.set(provider.name, value)
    const { close } = provider
    if (close !== undefined) this.#closers.push({ provider: provider.name, close: () => close(value) })
    return value
  }

  get(name: string): unknown {
    return this.#values.get(name)
  }

  /** Never throws: a provider that cannot be closed is a notice, and the others are closed all the same. */
  async close(): Promise<void> {
    this.#values.clear()
    for (const { provider, close } of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (thrown) {
        this.#observer.say('closeFailed', { provider, error: asError(thrown) })
      }
    }
  }
}
