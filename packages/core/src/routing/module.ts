import { asError, type IambusError, ImproperlyConfigured, InvalidOption, shown } from '../errors.ts'
import { isThenable } from './thenable.ts'
import type { EventRouter, RequestRouter, Router } from './router.ts'

/** What a module binds to: the routers of the dispatcher that it is mounted on. */
export interface ModuleScope {
  readonly events: EventRouter
  readonly commands: RequestRouter<'command'>
  readonly queries: RequestRouter<'query'>
  /** Mounts another module, or an instance with decorated methods. */
  mount(part: object): void
}

/** A group of handlers, free of any one dispatcher until it is mounted: `dp.mount(catalog)`. */
export class Module {
  readonly name: string
  readonly setup: (scope: ModuleScope) => void

  constructor(name: string, setup: (scope: ModuleScope) => void) {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidOption(`The name of a module is ${shown(name)}. Pass a string, such as 'catalog'.`)
    }
    if (typeof setup !== 'function') {
      throw new InvalidOption(
        `The module '${name}' was given ${shown(setup)}. Pass a function that binds its handlers.`,
      )
    }
    this.name = name
    this.setup = setup
  }
}

/**
 * Groups handlers.
 *
 * ```ts
 * export const catalog = module('catalog', (m) => {
 *   m.commands.bind(CreateBook, createBook, { inject: { repo } })
 * })
 * ```
 *
 * @param name tells it from other modules.
 * @param setup binds the handlers; called when the module is mounted. It is synchronous.
 */
export function module(name: string, setup: (m: ModuleScope) => void): Module {
  return new Module(name, setup)
}

/** What has been mounted on a dispatcher: each module once. */
export class Mounted {
  readonly #names = new Set<string>()
  readonly #problems: IambusError[] = []

  /** Modules whose setup failed, and may have bound half of their handlers: a dispatcher must not start with those. */
  get problems(): readonly IambusError[] {
    return this.#problems
  }

  /** @throws {ImproperlyConfigured} for what is neither a module nor has decorated methods, and for a module again. */
  mount(part: unknown, on: { scope: ModuleScope; routers: readonly Router[] }): void {
    if (part instanceof Module) return this.#mountModule(part, on.scope)
    const owner = (typeof part === 'object' && part !== null) || typeof part === 'function' ? part : undefined
    const found = owner === undefined ? [] : on.routers.map((router) => router.mount(owner))
    if (found.includes(true)) return
    const remedy = 'Pass a module, or an instance of a class with methods decorated by register() of this dispatcher.'
    throw new ImproperlyConfigured('NOTHING_TO_MOUNT', `There is nothing to mount in ${shown(part)}. ${remedy}`)
  }

  #mountModule(mounted: Module, scope: ModuleScope): void {
    if (this.#names.has(mounted.name)) {
      const text = `A module '${mounted.name}' is mounted already. Mount it once, or give the other one its own name.`
      throw new ImproperlyConfigured('MOUNTED_TWICE', text)
    }
    this.#names.add(mounted.name)
    let result: unknown
    try {
      result = mounted.setup(scope)
    } catch (thrown) {
      const cause = asError(thrown)
      const text = `The setup of module '${mounted.name}' failed, and may have bound half of it: ${cause.message}`
      this.#problems.push(new ImproperlyConfigured('MODULE_FAILED', text, { cause }))
      throw thrown
    }
    if (!isThenable(result)) return
    result.then(undefined, () => {}) // Its failure, if it has one, is this fault.
    const text = `The setup of module '${mounted.name}' is asynchronous. Make it synchronous: open things in a singleton.`
    const problem = new ImproperlyConfigured('ASYNC_MODULE', text)
    this.#problems.push(problem)
    throw problem
  }
}
