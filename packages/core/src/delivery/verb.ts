import { HandlerDoesNotExist, WrongKind } from '../errors.ts'
import type { Kind } from '../message/kind.ts'
import { namesake } from '../notices.ts'
import { routerName } from '../routing/binding.ts'
import type { Route } from '../routing/handler-map.ts'
import type { Outgoing } from '../routing/middleware.ts'

export type Verb = Outgoing['verb']

const remedyFor: Record<Kind, string> = {
  event: 'publish() it',
  command: 'send() it, or request() its answer',
  query: 'request() its answer',
}

/** Whether messages of this kind leave by this verb. */
export function isFor(verb: Verb, kind: Kind): boolean {
  if (verb === 'publish') return kind === 'event'
  return kind === 'command' || (kind === 'query' && verb === 'request')
}

export function wrongKind(verb: Verb, type: string, kind: Kind): WrongKind {
  return new WrongKind(`'${type}' is of kind '${kind}': ${remedyFor[kind]}, do not ${verb}() it.`)
}

export function noHandler({ type, kind, hasNamesake }: Route<unknown>): HandlerDoesNotExist {
  const where = kind === undefined ? 'dp.commands.bind or dp.queries.bind' : `dp.${routerName[kind]}.bind`
  const remedy = hasNamesake
    ? namesake
    : `Bind one before start(), with ${where}, and check that its module is mounted.`
  return new HandlerDoesNotExist(`No handler is bound to '${type}'. ${remedy}`)
}
