import { IambusError, ImproperlyConfigured } from '../errors.ts'
import { contractOf, isNamedByClass } from '../message/contract.ts'
import type { Kind } from '../message/kind.ts'
import { type MessageType, markedKind, sharedNames, typeName } from '../message/message-type.ts'
import type { Observer } from '../observe.ts'
import { type Binding, mayBeDurable, routerName } from './binding.ts'
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

/**
 * Everything that is wrong with the handlers of a dispatcher, found before any of them runs.
 * @param of.messages what the dispatcher names besides: it is checked with them.
 */
export function wiringProblems(
  routers: readonly Router[],
  { messages, hasStore }: { readonly messages: readonly MessageType[]; readonly hasStore: boolean },
): IambusError[] {
  const bindings = routers.flatMap((router) => router.bindings)
  return [
    ...routers.flatMap((router) => router.problems),
    ...sameName(bindings),
    ...messages.flatMap(faultyContract),
    ...sameTypeName(bindings, messages),
    ...inTwoRouters(bindings),
    ...twoHandlers(bindings),
    ...providersAtOdds(bindings),
    ...(hasStore ? namelessDurable(bindings) : durableWithoutStore(bindings)),
  ]
}

/** A fault between bindings, with the stack of the `bind` that completed it. */
function fault(code: string, text: string, binding: Binding | undefined): ImproperlyConfigured {
  const error = new ImproperlyConfigured(code, text)
  const [, ...stack] = binding?.boundAt.stack?.split('\n') ?? []
  error.stack = [`${error.name}: ${text}`, ...stack].join('\n')
  return error
}

function faultyContract(type: MessageType): IambusError[] {
  try {
    if (typeof type !== 'string') contractOf(type)
    return []
  } catch (error) {
    if (error instanceof IambusError) return [error]
    throw error
  }
}

function sameName(bindings: readonly Binding[]): IambusError[] {
  const given = bindings.filter((binding) => binding.givenName !== undefined)
  const groups = Map.groupBy(given, ({ router, givenName }) => `dp.${routerName[router]}: '${givenName}'`)
  return several(groups).map(([where, group]) =>
    fault('NAME_TAKEN', `${group.length} handlers have one name on ${where}. Give each its own.`, group.at(-1)),
  )
}

function sameTypeName(bindings: readonly Binding[], messages: readonly MessageType[]): IambusError[] {
  const all = new Set([...bindings.flatMap((binding) => [...binding.types, ...binding.responseEvents]), ...messages])
  return sharedNames(all).map(({ text, last }) => {
    const binding = bindings.findLast(({ types, responseEvents }) => [...types, ...responseEvents].includes(last))
    return fault('TYPE_TAKEN', text, binding)
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
      return fault(
        'TWO_ROUTERS',
        text,
        bindings.findLast(({ types }) => types.includes(type)),
      )
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
    return fault('TWO_HANDLERS', text, group.at(-1)?.binding)
  })
}

/** A store knows a handler by its name: one that a minifier, or a second handler, may change would lose what is its own. */
function namelessDurable(bindings: readonly Binding[]): IambusError[] {
  const nameless = bindings.filter((binding) => mayBeDurable(binding) && binding.givenName === undefined)
  return nameless.map((binding) => {
    const of = binding.types.map((type) => `'${typeName(type)}'`).join(', ')
    const text = `A handler of ${of} on dp.${routerName[binding.router]} is durable, and has no name. Give it one, by which the store will know it: { name: '...' }; or { durable: false }.`
    return fault('NAME_NEEDED', text, binding)
  })
}

function durableWithoutStore(bindings: readonly Binding[]): IambusError[] {
  return bindings
    .filter(({ durable }) => durable === true)
    .map((binding) => {
      const of = binding.types.map((type) => `'${typeName(type)}'`).join(', ')
      const text = `A handler of ${of} is to be durable, and there is no store. Give the dispatcher one: { store: sqlite('bus.db') }.`
      return fault('NO_STORE', text, binding)
    })
}

function providersAtOdds(bindings: readonly Binding[]): IambusError[] {
  const providers = new Set(bindings.flatMap(({ inject }) => providersIn(inject)))
  const lastWith = (group: readonly Provider<unknown>[]): Binding | undefined =>
    bindings.findLast(({ inject }) => providersIn(inject).some((provider) => provider === group.at(-1)))
  return several(Map.groupBy(providers, ({ name }) => name)).flatMap(([name, group]) => {
    if (new Set(group.map(({ lifetime }) => lifetime)).size > 1) {
      const text = `The provider '${name}' is a singleton in one place and a factory in another. Choose one.`
      return [fault('PROVIDER_TWO_KINDS', text, lastWith(group))]
    }
    const [first, ...others] = group
    if (others.every(({ open, close }) => open === first?.open && close === first?.close)) return []
    const text = `The provider '${name}' is made of two different functions. Make it once, or give each its own name.`
    return [fault('PROVIDER_TWO_FUNCTIONS', text, lastWith(group))]
  })
}

/** The types whose name is that of their class, which a minifier may change. */
export function namedByClass(bindings: readonly Binding[], messages: readonly MessageType[]): string[] {
  const all = [...bindings.flatMap((binding) => [...binding.types, ...binding.responseEvents]), ...messages]
  return [...new Set(all.filter(isNamedByClass).map(typeName))]
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
