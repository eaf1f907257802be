import type { Dispatcher } from '../../dispatcher.ts'
import { asError, HandlerDoesNotExist, IambusError, InvalidMessage, InvalidOption, WrongKind } from '../../errors.ts'
import { markedKind, messageTypeOf, typeName } from '../../message/message-type.ts'
import type { PublishOptions } from '../../options.ts'
import { busOf } from '../../dispatcher.ts'
import type { Life } from './life.ts'
import type { Timeline } from './timeline.ts'

/** A message to be given to the bus; or that, and what it is given with. */
export type Message = object | readonly [message: object, options?: PublishOptions]

/** How often it gives a message again that was refused. */
const TRIES = 20

export interface PublisherParts {
  readonly messages: readonly Message[]
  /** Which of them are given, by their place. */
  readonly chosen: readonly number[]
  /** Whether what may have been accepted is given again, although it has no id by which the bus would know it. */
  readonly mayDuplicate: boolean
  readonly say: (text: string) => void
  /** Ends the run: the program does not take such a message. */
  readonly fail: (error: Error) => void
  readonly timeline: Timeline
}

/** Whoever publishes, outside of the nodes: gives each message to one of them, and again where it hears of a failure, or nothing. */
export class Publisher {
  /** Those that are given, without their options. */
  readonly messages: readonly object[]
  readonly #parts: PublisherParts
  readonly #waiting: number[]
  readonly #tries = new Map<number, number>()
  readonly #underWay = new Map<object, { readonly index: number; readonly life: Life }>()

  constructor(parts: PublisherParts) {
    this.#parts = parts
    this.#waiting = [...parts.chosen]
    this.messages = parts.chosen.map((index) => withOptions(parts.messages[index] as Message)[0])
  }

  /** Whether there is a message to be given. */
  get hasMore(): boolean {
    return this.#waiting.length > 0
  }

  /** Whether it waits for no answer. */
  get isIdle(): boolean {
    return !this.hasMore && this.#underWay.size === 0
  }

  /** Gives the next message to a node. */
  give(life: Life): void {
    const index = this.#waiting.shift() as number
    const [message, options] = withOptions(this.#parts.messages[index] as Message)
    const underWay = { index, life }
    this.#underWay.set(underWay, underWay)
    const verb = verbOf(life.dp as Dispatcher, message)
    const type = typeName(messageTypeOf(message))
    const { id } = options
    const name = id === undefined ? type : this.#parts.timeline.nameOf({ id, type })
    this.#parts.say(`${verb} ${name} ${inShort(message)}`)
    const refused = (error: Error): void => {
      this.#parts.say(`it is refused: ${error.message}`)
      if (error instanceof IambusError && /^(STORE_|NOT_ACCEPTING|STOPPED)/.test(error.code)) this.#again(index)
      else if (verb !== 'request' || isRefusal(error)) this.#parts.fail(error)
    }
    void this.#tell(life.dp as Dispatcher, { verb, message, options }, (error) => {
      this.#underWay.delete(underWay)
      if (error !== undefined) refused(error)
    })
  }

  /** Gives one more time what was given already. */
  duplicate(index: number): void {
    this.#waiting.push(index)
  }

  /** Nothing is heard any more of what was given to this node. */
  died(life: Life): void {
    for (const underWay of [...this.#underWay.values()].filter((one) => one.life === life)) {
      this.#underWay.delete(underWay)
      const [, { id }] = withOptions(this.#parts.messages[underWay.index] as Message)
      if (id !== undefined || this.#parts.mayDuplicate) this.#again(underWay.index)
    }
  }

  #again(index: number): void {
    const tries = (this.#tries.get(index) ?? 1) + 1
    this.#tries.set(index, tries)
    if (tries > TRIES) return
    // In the order in which they were to be given, as far as it can be had.
    const place = this.#waiting.findIndex((other) => other > index)
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, index)
  }

  async #tell(
    dp: Dispatcher,
    of: { readonly verb: 'publish' | 'send' | 'request'; readonly message: object; readonly options: PublishOptions },
    answered: (error: Error | undefined) => void,
  ): Promise<void> {
    const { verb, message, options } = of
    try {
      if (verb === 'publish') await dp.publish(message, options)
      else if (verb === 'send') await dp.send(message, options)
      else await dp.request(message, options)
      answered(undefined)
    } catch (thrown) {
      answered(asError(thrown))
    }
  }
}

/** Whether the message itself, or its options, are not what the program takes. */
function isRefusal(error: Error): boolean {
  const refusals = [HandlerDoesNotExist, InvalidMessage, InvalidOption, WrongKind]
  return refusals.some((one) => error instanceof one)
}

function withOptions(one: Message): readonly [message: object, options: PublishOptions] {
  if (!Array.isArray(one)) return [one, {}]
  const [message, options = {}] = one as unknown as readonly [object, PublishOptions?] // An array is that.
  return [message, options]
}

/** An instance of a class without a mark is of the kind of the router that it is bound to. */
function verbOf(dp: Dispatcher, message: object): 'publish' | 'send' | 'request' {
  const type = messageTypeOf(message)
  const { commands, queries } = busOf(dp).routers
  const kind = markedKind(type) ?? (commands.find(type).length > 0 ? 'command' : undefined)
  if (kind === 'command') return 'send'
  return kind === 'query' || queries.find(type).length > 0 ? 'request' : 'publish'
}

function inShort(message: object): string {
  const text = JSON.stringify(message)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}
