import type { OpenStore, Settlement, Store } from '../src/ports/store.ts'
import { StoreFailed } from '../src/store-errors.ts'

/** A store that can be made slow, and made to fail. */
export interface TroubledStore extends Store {
  /** Whether writes fail from now on, and reads. */
  fails: boolean
  /** Whether claims can be given back even so. */
  canRelease: boolean
  /** What was to be settled, in the order of the calls. */
  readonly settlements: Settlement[]
  /** Has what is settled from now on wait until the returned function is called. */
  hold(): () => void
  /** To be called before each settlement is passed on. */
  before: ((settlement: Settlement) => void) | undefined
}

export function troubled(store: Store): TroubledStore {
  let held: Promise<void> | undefined
  let last: Promise<unknown> = Promise.resolve()
  const wrapped: TroubledStore = {
    name: store.name,
    isShared: store.isShared,
    fails: false,
    canRelease: false,
    settlements: [],
    before: undefined,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return () => {
        held = undefined
        resolve()
      }
    },
    async open(opening) {
      return around(await store.open(opening))
    },
  }
  const check = (): void => {
    if (wrapped.fails) throw new StoreFailed('STORE_FULL', 'The disk is full.')
  }
  const around = (open: OpenStore): OpenStore => {
    return new Proxy(open, {
      get(target, name) {
        if (name === 'settle') {
          return (...[claim, settlement]: Parameters<OpenStore['settle']>) => {
            wrapped.settlements.push(settlement)
            const settled = last.then(async () => {
              await held
              check()
              wrapped.before?.(settlement)
              return target.settle(claim, settlement)
            })
            last = settled.catch(() => {})
            return settled
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name === 'close') return () => target.close()
        return (...given: unknown[]) => {
          if (name === 'read' || name === 'readAt' || name === 'append') check()
          if (name === 'release' && !wrapped.canRelease) check()
          return Reflect.apply(value, target, given) as unknown
        }
      },
    })
  }
  return wrapped
}
