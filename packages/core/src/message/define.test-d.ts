import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import {
  Codec,
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  type ResultOf,
  type StandardSchema,
} from '../index.ts'

const zodBook = z.object({
  title: z.string(),
  year: z.string().transform(Number),
  tags: z.array(z.string()).default([]),
})
const valibotBook = v.object({
  title: v.string(),
  year: v.pipe(v.string(), v.transform(Number)),
  tags: v.optional(v.array(v.string()), []),
})
const arkBook = type({ title: 'string', year: 'string.numeric.parse', tags: type('string[]').default(() => []) })

class ZodEvent extends defineEvent('zod.event', zodBook) {}
class ZodCommand extends defineCommand('zod.command', zodBook) {}
class ZodAsking extends defineCommand('zod.asking', zodBook, { result: z.object({ id: z.string() }) }) {}
class ZodQuery extends defineQuery('zod.query', zodBook, { result: z.array(z.string()) }) {}
class ValibotEvent extends defineEvent('valibot.event', valibotBook) {}
class ValibotCommand extends defineCommand('valibot.command', valibotBook) {}
class ValibotAsking extends defineCommand('valibot.asking', valibotBook, { result: v.object({ id: v.string() }) }) {}
class ValibotQuery extends defineQuery('valibot.query', valibotBook, { result: v.array(v.string()) }) {}
class ArkEvent extends defineEvent('ark.event', arkBook) {}
class ArkCommand extends defineCommand('ark.command', arkBook) {}
class ArkAsking extends defineCommand('ark.asking', arkBook, { result: type({ id: 'string' }) }) {}
class ArkQuery extends defineQuery('ark.query', arkBook, { result: type('string[]') }) {}

const events = [ZodEvent, ValibotEvent, ArkEvent] as const
const commands = [ZodCommand, ValibotCommand, ArkCommand] as const
const asking = [ZodAsking, ValibotAsking, ArkAsking] as const
const queries = [ZodQuery, ValibotQuery, ArkQuery] as const
const all = [...events, ...commands, ...asking, ...queries] as const

const dp = new Dispatcher()
const input = { title: 'Emma', year: '1815' }

describe('a class made with a schema of zod, valibot or arktype', () => {
  test('is constructed with what the schema takes', () => {
    for (const Message of all) {
      void new Message(input)
      void new Message({ ...input, tags: ['novel'] })
      // @ts-expect-error a field of another type, before it is transformed
      void new Message({ title: 'Emma', year: 1815 })
      // @ts-expect-error a field is missing
      void new Message({ title: 'Emma' })
      // @ts-expect-error a field that there is not
      void new Message({ ...input, titel: 'Emma' })
      // @ts-expect-error no payload
      void new Message()
    }
  })

  test('holds what the schema gives, transformed and with its defaults', () => {
    for (const Message of all) {
      const message = new Message(input)
      expectTypeOf(message.title).toEqualTypeOf<string>()
      expectTypeOf(message.year).toEqualTypeOf<number>()
      expectTypeOf(message.tags).toEqualTypeOf<string[]>()
    }
  })

  test('has fields that are only read', () => {
    const [zod, valibot, ark] = [new ZodEvent(input), new ValibotCommand(input), new ArkQuery(input)]
    // @ts-expect-error readonly
    zod.title = 'Persuasion'
    // @ts-expect-error readonly
    valibot.title = 'Persuasion'
    // @ts-expect-error readonly
    ark.title = 'Persuasion'
  })

  test('has its name and its schema', () => {
    for (const Message of all) expectTypeOf(Message.type).toEqualTypeOf<string>()
    expectTypeOf(ZodEvent.schema).toEqualTypeOf<typeof zodBook>()
    expectTypeOf(ValibotQuery.schema).toEqualTypeOf<typeof valibotBook>()
    expectTypeOf(ArkAsking.schema).toEqualTypeOf<typeof arkBook>()
  })

  test('is of its kind: other verbs and routers refuse it', () => {
    dp.publish(new ZodEvent(input))
    dp.send(new ValibotCommand(input))
    // @ts-expect-error a command is not published
    dp.publish(new ArkCommand(input))
    // @ts-expect-error an event is not sent
    dp.send(new ValibotEvent(input))
    // @ts-expect-error a query is bound on dp.queries
    dp.events.bind(ZodQuery, () => [])
  })

  test('types the answer by the result: void for a command without one', () => {
    for (const Message of commands) expectTypeOf(dp.request(new Message(input))).resolves.toEqualTypeOf<void>()
    for (const Message of asking) expectTypeOf(dp.request(new Message(input))).resolves.toEqualTypeOf<{ id: string }>()
    for (const Message of queries) expectTypeOf(dp.request(new Message(input))).resolves.toEqualTypeOf<string[]>()
    expectTypeOf<ResultOf<ArkAsking>>().toEqualTypeOf<{ id: string }>()
  })

  test('types its handler, and what that returns', () => {
    dp.queries.bind(ZodQuery, (query) => [query.title, ...query.tags, query.year.toFixed()])
    dp.queries.bind(ValibotQuery, async (query) => query.tags)
    dp.queries.bind(
      ArkQuery,
      class {
        handle = async (query: ArkQuery) => query.tags
      },
    )
    dp.commands.bind(ZodAsking, (command, { context }) => ({ id: command.title + context.id }))
    // @ts-expect-error another result
    dp.queries.bind(ZodQuery, () => [5])
    // @ts-expect-error another result
    dp.queries.bind(ValibotQuery, async () => 'Emma')
    // @ts-expect-error another result
    dp.commands.bind(ArkAsking, () => ({ id: 5 }))
    // @ts-expect-error no result
    dp.commands.bind(ZodAsking, () => {})
    // @ts-expect-error another message
    dp.events.bind(ZodEvent, (event: ZodCommand & { more: string }) => event.more)
  })

  test('can be extended, with fields and statics of its own', () => {
    class Second extends defineEvent('zod.second', zodBook) {
      static readonly version = 2
      static upcast(data: { title: string }): object {
        return { ...data, year: '1815' }
      }
      get loud(): string {
        return this.title.toUpperCase()
      }
    }
    expectTypeOf(new Second(input).loud).toEqualTypeOf<string>()
    void new Codec([Second, ZodQuery, 'on startup'])
  })
})

describe('a schema', () => {
  test('of a payload is one of an object', () => {
    // @ts-expect-error of text
    defineEvent('wrong', z.string())
    // @ts-expect-error of a number
    defineCommand('wrong', v.number())
    // @ts-expect-error of text
    defineQuery('wrong', type('string'), { result: type('string') })
    // @ts-expect-error no schema
    defineEvent('wrong', { title: 'string' })
  })

  test('of a result is there for each query made with a schema: z.custom() has one of a type alone', () => {
    // @ts-expect-error a query has an answer
    defineQuery('wrong', zodBook)
    // @ts-expect-error an event has none
    defineEvent('wrong', zodBook, { result: z.string() })
    // @ts-expect-error there is no such option
    defineCommand('wrong', zodBook, { results: z.string() })
    class Custom extends defineQuery('custom', zodBook, { result: z.custom<Map<string, number>>() }) {}
    expectTypeOf<ResultOf<Custom>>().toEqualTypeOf<Map<string, number>>()
  })

  test('of a result must take what it gives, since replies stay as they are', () => {
    defineQuery('right', zodBook, { result: z.object({ tags: z.array(z.string()).default([]) }) })
    // @ts-expect-error gives a number for a text
    defineQuery('wrong', zodBook, { result: z.string().transform(Number) })
    // @ts-expect-error gives a number for a text
    defineCommand('wrong', zodBook, { result: v.pipe(v.string(), v.transform(Number)) })
    // @ts-expect-error gives a number for a text
    defineQuery('wrong', zodBook, { result: type('string.numeric.parse') })
  })

  test('by the bare specification will do', () => {
    interface Options {
      readonly libraryOptions?: Record<string, unknown> | undefined
    }
    interface Made {
      readonly '~standard': {
        readonly version: 1
        readonly vendor: string
        readonly types?: { readonly input: { a: string }; readonly output: { a: number } } | undefined
        readonly validate: (
          value: unknown,
          options?: Options,
        ) =>
          | { readonly value: { a: number }; readonly issues?: undefined }
          | { readonly issues: readonly { message: string }[] }
      }
    }
    const made = {} as Made
    class Own extends defineEvent('own', made) {}
    expectTypeOf(new Own({ a: '1' }).a).toEqualTypeOf<number>()
    expectTypeOf<Made>().toExtend<StandardSchema>()
    expectTypeOf(zodBook).toExtend<StandardSchema>()
    expectTypeOf(valibotBook).toExtend<StandardSchema>()
    expectTypeOf(arkBook).toExtend<StandardSchema>()
  })
})

describe('a payload type alone', () => {
  class Event extends defineEvent<{ title: string }>('plain.event') {}
  class Opened extends defineEvent('plain.opened') {}
  class Query extends defineQuery<{ title: string }, string[]>('plain.query') {}
  class Ask extends defineQuery<void, number>('plain.ask') {}
  class Do extends defineCommand('plain.do') {}

  test('will do as ever', () => {
    expectTypeOf(new Event({ title: 'Emma' }).title).toEqualTypeOf<string>()
    expectTypeOf(dp.request(new Query({ title: 'Emma' }))).resolves.toEqualTypeOf<string[]>()
    expectTypeOf(dp.request(new Ask())).resolves.toEqualTypeOf<number>()
    expectTypeOf(dp.request(new Do())).resolves.toEqualTypeOf<void>()
    void new Opened()
    // @ts-expect-error wrong payload
    void new Event({ titel: 'Emma' })
    // @ts-expect-error there is no payload
    void new Opened({ title: 'Emma' })
    // @ts-expect-error a query has an answer
    defineQuery<{ title: string }>('wrong')
  })
})

test('a codec takes classes and strings, and gives messages', () => {
  const codec = new Codec([ZodEvent, 'on startup'], { maxDepth: 10, maxBytes: 1_000 })
  expectTypeOf(codec.encode(new ZodEvent(input))).toEqualTypeOf<string>()
  expectTypeOf(codec.decode('')).toEqualTypeOf<ZodEvent | 'on startup'>()
  // @ts-expect-error an instance is no class
  void new Codec([new ZodEvent(input)])
  // @ts-expect-error there is no such option
  void new Codec([ZodEvent], { depth: 1 })
})
