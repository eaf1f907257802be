import type { Bus } from '../../bus.ts'
import { ImproperlyConfigured, InvalidOption, shown } from '../../errors.ts'
import { type Binding, routerName } from '../../routing/binding.ts'
import { nameHandlers } from '../../routing/wiring.ts'

/** What is put in the place of a handler. */
export type Replacement = (message: never, deps: never) => unknown

/** The handlers of a dispatcher by their names, as `events/update-search`. */
function handlersOf({ routers }: Bus): ReadonlyMap<string, Binding> {
  const named = routers.all.flatMap(({ bindings }) => [...nameHandlers(bindings)])
  return new Map(named.map(([binding, name]) => [`${routerName[binding.router]}/${name}`, binding]))
}

/**
 * The full name of a handler that is bound.
 *
 * @param name as `events/update-search`, or without the router where one handler alone is called so.
 * @throws {InvalidOption} where there is none, or more than one.
 */
export function handlerName(bus: Bus, name: string): string {
  const names = [...handlersOf(bus).keys()]
  if (names.includes(name)) return name
  const found = names.filter((full) => full.slice(full.indexOf('/') + 1) === name)
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  const what = found.length > 1 ? 'Several handlers are' : 'No handler is'
  const there = names.length === 0 ? 'none: bind or mount them first' : (found.length > 1 ? found : names).join(', ')
  throw new InvalidOption(`${what} called ${shown(name)}. There are: ${there}.`)
}

/**
 * Puts a function in the place of what was bound under this name: a class is not constructed, and nothing injected is opened.
 *
 * @throws {ImproperlyConfigured} once the dispatcher has started.
 */
export function replaceHandler(bus: Bus, name: string, replacement: Replacement): void {
  const binding = handlersOf(bus).get(name) as Binding // It was found by its name.
  if (bus.routers.frozen) {
    const text = `${name} cannot be replaced after start(): it is made ready. Replace it before.`
    throw new ImproperlyConfigured('ALREADY_STARTED', text)
  }
  for (const { bindings } of bus.routers.all) {
    const index = bindings.indexOf(binding)
    if (index === -1) continue
    const own = binding.givenName ?? binding.ownName
    // Nobody but the test kit changes what was bound.
    const open = bindings as Binding[]
    open[index] = { ...binding, handler: replacement, shape: 'function', inject: {}, argname: undefined, ownName: own }
  }
}
