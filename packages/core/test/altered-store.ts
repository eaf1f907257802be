import type { OpenStore, Store } from '../src/ports/store.ts'

/** A store, with some of what it gives when it is opened replaced. */
export function altered(store: Store, alter: (open: OpenStore) => Partial<OpenStore>): Store {
  return {
    name: store.name,
    isShared: store.isShared,
    open: async (opening) => {
      const open = await store.open(opening)
      const instead: Partial<OpenStore> = alter(open)
      return new Proxy(open, {
        get(target, name) {
          if (Object.hasOwn(instead, name)) return Reflect.get(instead, name) as unknown
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    },
  }
}
