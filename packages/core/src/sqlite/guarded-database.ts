import { StoreFailed } from '../store-errors.ts'

/**
 * A connection that can be used until it is ended, and its statements likewise: a write that comes too late must not land in
 * somebody else's transaction.
 */
export function guarded(database: object): { readonly tx: unknown; end(): void } {
  let hasEnded = false
  const guard = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, name) {
        if (hasEnded) throw late(name)
        const value: unknown = Reflect.get(of, name, of)
        if (typeof value !== 'function') return value
        return (...values: unknown[]): unknown => {
          if (hasEnded) throw late(name)
          const given: unknown = Reflect.apply(value, of, values)
          return name === 'prepare' ? guard(given as object) : given
        }
      },
    })
  return { tx: guard(database), end: () => void (hasEnded = true) }
}

function late(name: string | symbol): StoreFailed {
  const remedy = 'Await everything inside the function given to commit(), and write nothing afterwards.'
  return new StoreFailed('STORE_FAILED', `${String(name)} was used on a transaction that has ended. ${remedy}`)
}
