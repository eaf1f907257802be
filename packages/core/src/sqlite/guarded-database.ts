import { StoreFailed } from '../store-errors.ts'

/** What gives something that writes by itself. */
const makers: ReadonlySet<string | symbol> = new Set(['prepare', 'createTagStore'])
/** What would end the connection of the bus. */
const endings: ReadonlySet<string | symbol> = new Set(['close', 'open', 'deserialize', Symbol.dispose])

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
        if (endings.has(name)) throw notYours(name)
        const value: unknown = Reflect.get(of, name, of)
        if (typeof value !== 'function') return value
        return (...values: unknown[]): unknown => {
          if (hasEnded) throw late(name)
          const given: unknown = Reflect.apply(value, of, values)
          return makers.has(name) ? guard(given as object) : given
        }
      },
    })
  return { tx: guard(database), end: () => void (hasEnded = true) }
}

function late(name: string | symbol): StoreFailed {
  const remedy = 'Await everything inside the function given to commit(), and write nothing afterwards.'
  return new StoreFailed('STORE_FAILED', `${String(name)} was used on a transaction that has ended. ${remedy}`)
}

function notYours(name: string | symbol): StoreFailed {
  const remedy = 'Only write to it: it is the connection of the bus.'
  return new StoreFailed('STORE_FAILED', `${String(name)} was used on the tx of commit(). ${remedy}`)
}
