import { type IambusError, ImproperlyConfigured } from '../errors.ts'
import type { Kind } from '../message/kind.ts'
import { type MessageType, markedKind, typeName } from '../message/message-type.ts'
import type { Observer } from '../observe.ts'
import { type Binding, routerName } from './binding.ts'
import { OpenProviders, Provider } from './providers.ts'
import type { Router } from './router.ts'

/** The name of every handler: unique in its router. */
export type HandlerNames = ReadonlyMap<Binding, string>

/**
 * Names the handlers: as given; else as their function or class is called; else `<type>#<n>`. A name that was not given
 * and is taken gets a number, since it only serves to be read.
 */
export function nameHandlers(bindings: readonly Binding[]): HandlerNames {
  const names = new Map<Binding, string>()
  const taken = new Set<string>()
  for (const { router, givenName } of bindings) if (givenName !== undefined) taken.add(`${router}/${givenName}`)
  for (const binding of bindings) {
    let name = binding.givenName ?? binding.ownName
    if (binding.givenName === undefined) {
      const stem = name === '' ? typeName(binding.types[0] as MessageType) : name
      if (name === '') name = `${stem}#1`
      for (let n = 2; taken.has(`${binding.router}/${name}`); n += 1) name = `${stem}#${n}`
      taken.add(`${binding.router}/${name}`)
    }
    names.set(binding, name)
  }
  return names
}

/** Everything that is wrong with the handlers of a dispatcher, found before any of them runs. */
export function wiringProblems(routers: readonly Router[]): IambusError[] {
  const bindings = routers.flatMap((router) => router.bindings)
  return [
    ...routers.flatMap((router) => router.problems),
    ...sameName(bindings),
    ...sameTypeName(bindings),
    ...inTwoRouters(bindings),
    ...twoHandlers(bindings),
    ...providersAtOdds(bindings),
  ]
}

/** Response events that lead back to the handler that returns them: not wrong, but worth a warning. */
export function responseCycles(bindings: readonly Binding[]): string[][] {
  const follow = (type: MessageType, path: readonly MessageType[]): MessageType[][] => {
    const seenAt = path.indexOf(type)
    if (seenAt === 0) return [[...path, type]]
    if (seenAt > 0) return []
    const next = bindings.filter((binding) => binding.types.includes(type)).flatMap((b) => b.responseEvents)
    return [...new Set(next)].flatMap((event) => follow(event, [...path, type]))
  }
  const cycles = new Map<string, string[]>()
  for (const type of new Set(bindings.flatMap((binding) => binding.types))) {
    for (const cycle of follow(type, [])) {
      const names = cycle.map(typeName)
      // A cycle of n types is found from each of them: the sorted names tell that it is the same one.
      const key = [...new Set(names)].sort().join('\n')
      if (!cycles.has(key)) cycles.set(key, names)
    }
  }
  return [...cycles.values()]
}

function sameName(bindings: readonly Binding[]): IambusError[] {
  const given = bindings.filter((binding) => binding.givenName !== undefined)
  const groups = Map.groupBy(given, ({ router, givenName }) => `dp.${routerName[router]}: '${givenName}'`)
  return several(groups).map(
    ([where, group]) =>
      new ImproperlyConfigured('NAME_TAKEN', `${group.length} handlers have one name on ${where}. Give each its own.`),
  )
}

function sameTypeName(bindings: readonly Binding[]): IambusError[] {
  const types = new Set(bindings.flatMap((binding) => [...binding.types, ...binding.responseEvents]))
  return several(Map.groupBy(types, typeName)).map(([name, group]) => {
    const classes = group.map((type) => (typeof type === 'string' ? 'a string' : `class ${type.name}`)).join(', ')
    const text = `${group.length} message types have one name, '${name}': ${classes}. Give each its own static type.`
    return new ImproperlyConfigured('TYPE_TAKEN', text)
  })
}

function inTwoRouters(bindings: readonly Binding[]): IambusError[] {
  const routersOf = new Map<MessageType, Set<Kind>>()
  for (const { types, router } of bindings) {
    for (const type of types) routersOf.set(type, (routersOf.get(type) ?? new Set()).add(router))
  }
  return [...routersOf]
    .filter(([type, kinds]) => kinds.size > 1 && markedKind(type) === undefined)
    .map(([type, kinds]) => {
      const where = [...kinds].map((kind) => `dp.${routerName[kind]}`).join(' and ')
      const text = `'${typeName(type)}' is bound on ${where}. A message is of one kind: bind it on one router.`
      return new ImproperlyConfigured('TWO_ROUTERS', text)
    })
}

function twoHandlers(bindings: readonly Binding[]): IambusError[] {
  const names = nameHandlers(bindings)
  const single = bindings.filter((binding) => binding.router !== 'event')
  const bound = single.flatMap((binding) => [...new Set(binding.types)].map((type) => ({ type, binding })))
  const groups = Map.groupBy(bound, ({ type, binding }) => `${binding.router} '${typeName(type)}'`)
  return several(groups).map(([what, group]) => {
    const handlers = group.map(({ binding }) => names.get(binding)).join(', ')
    const text = `The ${what} has ${group.length} handlers: ${handlers}. It can have one: remove the others.`
    return new ImproperlyConfigured('TWO_HANDLERS', text)
  })
}

function providersAtOdds(bindings: readonly Binding[]): IambusError[] {
  const providers = new Set(bindings.flatMap(({ inject }) => providersIn(inject)))
  return several(Map.groupBy(providers, ({ name }) => name)).flatMap(([name, group]) => {
    if (new Set(group.map(({ lifetime }) => lifetime)).size > 1) {
      const text = `The provider '${name}' is a singleton in one place and a factory in another. Choose one.`
      return [new ImproperlyConfigured('PROVIDER_TWO_KINDS', text)]
    }
    const [first, ...others] = group
    if (others.every(({ open, close }) => open === first?.open && close === first?.close)) return []
    const text = `The provider '${name}' is made of two different functions. Make it once, or give each its own name.`
    return [new ImproperlyConfigured('PROVIDER_TWO_FUNCTIONS', text)]
  })
}

/**
 * Opens each singleton that the bindings name, once.
 * @throws {ProviderFailed} for the first that fails; those opened before it are closed.
 */
export async function openSingletons(bindings: readonly Binding[], observer: Observer): Promise<OpenProviders> {
  const singletons = new OpenProviders(observer)
  try {
    for (const provider of bindings.flatMap(({ inject }) => providersIn(inject))) {
      if (provider.lifetime === 'singleton') await singletons.open(provider)
    }
    return singletons
  } catch (error) {
    await singletons.close()
    throw error
  }
}

/** The providers that an `inject` object names. */
function providersIn(inject: Readonly<Record<string, unknown>>): Provider<unknown>[] {
  return Object.values(inject).filter((value) => value instanceof Provider)
}

function several<K, V>(groups: Map<K, V[]>): [K, V[]][] {
  return [...groups].filter(([, group]) => group.length > 1)
}
