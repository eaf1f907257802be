import { type IambusError, ImproperlyConfigured } from '../errors.ts'
import type { Deps, HandlerClass, Reply } from './handler.ts'
import type { Awaitable } from './providers.ts'

type Method<M, P, E> = (message: M, deps: Deps<P>) => Awaitable<Reply<M, E>>

/** What `register(Message, options)` gives: a decorator of a class or a method, or a function to call with a handler. */
export interface Registrar<M, P, E> {
  <F extends Method<M, P, E>>(handler: F, context?: ClassMethodDecoratorContext): F
  <C extends HandlerClass<M, P, E>>(handler: C, context?: ClassDecoratorContext): C
  <F extends Method<M, P, E>>(target: object, name: string | symbol, method: TypedPropertyDescriptor<F>): void
}

/** Binds a handler. `ownName` is the name it has where it was found. */
type Bind = (handler: unknown, ownName?: string) => void

/** One decorated method, waiting for the instance that it is to be called on. */
interface Registration {
  readonly method: string
  readonly bind: Bind
  readonly read: (instance: object) => unknown
  readonly notMounted: IambusError
  mounted: number
}

/** The decorated methods of one router. */
export class MethodRegistrations {
  readonly #all: Registration[] = []
  /** Standard decorators learn of an instance when it is constructed, legacy ones know the prototype. */
  readonly #byOwner = new WeakMap<object, Registration[]>()

  add(method: string, what: { bind: Bind; label: string; read: (instance: object) => unknown }): Registration {
    const notMounted = new ImproperlyConfigured(
      'NOT_MOUNTED',
      `The method '${method}' was registered for ${what.label}, and no instance of its class is mounted. ` +
        'Call dp.mount(new TheClass()) before start(), or dp.mount(TheClass) if the method is static.',
    )
    const registration = { method, bind: what.bind, read: what.read, notMounted, mounted: 0 }
    this.#all.push(registration)
    return registration
  }

  own(owner: object, registration: Registration): void {
    const owned = this.#byOwner.get(owner)
    if (owned === undefined) this.#byOwner.set(owner, [registration])
    else owned.push(registration)
  }

  /** Binds the decorated methods of `instance`; of a class, the static ones. Tells whether there were any. */
  mount(instance: object): boolean {
    const found = [...this.#ownersOf(instance)].flatMap((owner) => this.#byOwner.get(owner) ?? [])
    const className = typeof instance === 'function' ? instance.name : instance.constructor?.name
    // A method that was registered twice is one handler, as a function is that was bound twice.
    const handlers = new Map<unknown, unknown>()
    for (const registration of found) {
      registration.mounted += 1
      if (registration.mounted > 1) continue
      const method = registration.read(instance) as (...args: unknown[]) => unknown
      const bound = Object.defineProperty(method.bind(instance), 'length', { value: method.length })
      if (!handlers.has(method)) handlers.set(method, bound)
      registration.bind(handlers.get(method), `${className}.${registration.method}`)
    }
    return found.length > 0
  }

  problems(): IambusError[] {
    return this.#all.flatMap(({ mounted, notMounted, method }) => {
      if (mounted === 1) return []
      if (mounted === 0) return [notMounted]
      const text = `The method '${method}' was registered once, and its class is mounted ${mounted} times. Mount it once.`
      return [new ImproperlyConfigured('MOUNTED_TWICE', text)]
    })
  }

  *#ownersOf(instance: object): Iterable<object> {
    for (let owner: object | null = instance; owner !== null; owner = Object.getPrototypeOf(owner)) yield owner
  }
}

/** Makes what `register` returns. It tells by its arguments whether it decorates, and how. */
export function registrar<M, P, E>(bind: Bind, methods: MethodRegistrations, label: string): Registrar<M, P, E> {
  const register = (value: object, context?: DecoratorContext | string | symbol): unknown => {
    if (typeof context === 'string' || typeof context === 'symbol') {
      // A legacy decorator of a method gets its prototype (or its class, where the method is static) and name.
      const read = (instance: object): unknown => instance[context as keyof object]
      const method = methods.add(String(context), { bind, label, read })
      methods.own(value, method)
      return undefined
    }
    if (context?.kind === 'method') {
      const { access } = context
      const read = (instance: object): unknown => access.get(instance)
      const method = methods.add(String(context.name), { bind, label, read })
      context.addInitializer(function (this: unknown) {
        methods.own(this as object, method)
      })
      return value
    }
    bind(value)
    return value
  }
  return register as Registrar<M, P, E>
}
