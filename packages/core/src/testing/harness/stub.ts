import type { Dispatcher } from '../../dispatcher.ts'
import { InvalidOption } from '../../errors.ts'
import type { Kind } from '../../message/kind.ts'
import { markedKind, type MessageType, typeName } from '../../message/message-type.ts'
import { routerName } from '../../routing/binding.ts'
import { checkNames } from '../../options.ts'
import { checkMessageType } from './message-match.ts'

/** How a stub is bound. */
export interface StubOptions {
  /** What the message is, where its class has no marker, or it is a string. */
  readonly kind?: Kind | undefined
  /** What the handler is called. Default: `stub of <type>`. */
  readonly name?: string | undefined
}

/** What a stub is made of. */
export interface Stub {
  readonly type: MessageType
  readonly answer: (message: never, deps: never) => unknown
  readonly options: StubOptions
}

/** Binds a stub, and gives its full name. @throws {InvalidOption} where the kind of the message is not known. */
export function bindStub(dp: Dispatcher, { type, answer, options }: Stub): string {
  checkMessageType('stub()', type)
  checkNames('stub()', options, ['kind', 'name'])
  const kind = markedKind(type) ?? options.kind
  if (kind === undefined || !Object.hasOwn(routerName, kind)) {
    const text = `stub() does not know the kind of '${typeName(type)}'. Pass { kind: 'event' }, 'command' or 'query'.`
    throw new InvalidOption(text)
  }
  const { name = `stub of ${typeName(type)}` } = options
  const router = routerName[kind]
  // The types were checked where the stub was given.
  const handler = answer as () => never
  if (router === 'events') dp.events.bind(type as never, handler, { name })
  else if (router === 'commands') dp.commands.bind(type as never, handler, { name })
  else dp.queries.bind(type as never, handler, { name })
  return `${router}/${name}`
}
