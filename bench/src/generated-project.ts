import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How the payloads of the messages are given: as types, or as schemas of zod. */
export type Payloads = 'types' | 'schemas'

const installed = join(import.meta.dirname, '../../node_modules')
const perModule = 10

const compilerOptions = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  rewriteRelativeImportExtensions: true,
  module: 'nodenext',
  target: 'es2023',
  lib: ['es2024', 'esnext.disposable'],
  types: ['node'],
}

/**
 * Writes a project of so many message classes, each with a handler, into a folder of its own: modules of ten messages, with
 * injected values and response events. With none it is an empty project that imports the same.
 */
export function generatedProject(messages: number, payloads: Payloads): string {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-types-'))
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  mkdirSync(join(folder, 'node_modules/@iambus'), { recursive: true })
  for (const name of ['@iambus/core', '@types', 'undici-types', 'zod']) {
    symlinkSync(join(installed, name), join(folder, 'node_modules', name))
  }
  write('package.json', JSON.stringify({ name: 'generated', private: true, type: 'module' }))
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  write('bus.ts', payloads === 'schemas' ? `${bus}${ping}` : bus)
  for (let module = 0; module < messages / perModule; module += 1) {
    write(`messages-${module}.ts`, messagesOf(module, payloads))
    write(`handlers-${module}.ts`, handlersOf(module))
  }
  return folder
}

const bus = `
import { Dispatcher, defineEvent, singleton } from '@iambus/core'

export interface Repo {
  find(id: string): Promise<{ id: string; name: string }>
  add(id: string): Promise<void>
}
export class Started extends defineEvent('started') {}
export const repo = singleton('repo', async (): Promise<Repo> => ({ find: async (id) => ({ id, name: id }), add: async () => {} }))
export const dp = new Dispatcher()
`

const ping = `
import { z } from 'zod'
export class Ping extends defineEvent('ping', z.object({ n: z.number() })) {}
`

/** Of ten messages four are events, three commands (one has a result), three queries. */
function messagesOf(module: number, payloads: Payloads): string {
  const define = payloads === 'types' ? classOfType : classOfSchema
  const kinds = 'Event Event Event Event Command Command Command Query Query Query'.split(' ')
  const classes = kinds.map((kind, n) =>
    define(kind, `${kind}${n}`, { module, hasResult: n === 4 || kind === 'Query' }),
  )
  return [
    "import { defineCommand, defineEvent, defineQuery } from '@iambus/core'",
    ...(payloads === 'schemas' ? ["import { z } from 'zod'"] : []),
    ...classes,
  ].join('\n')
}

interface Of {
  readonly module: number
  readonly hasResult: boolean
}

/** Each payload has a field of its own name: no two types are one. */
function classOfType(kind: string, name: string, { module, hasResult }: Of): string {
  const payload = `{ id: string; at: Date; of${name}?: string; lines: readonly { sku: string; count: number }[] }`
  const result = hasResult ? `, { id: string; name: string }[]` : ''
  return `export class ${name} extends define${kind}<${payload}${result}>('m${module}.${name}') {}`
}

/** A schema that stood in the call itself would be checked twice: with the call, and with the class that extends it. */
function classOfSchema(kind: string, name: string, { module, hasResult }: Of): string {
  const lines = 'z.array(z.object({ sku: z.string(), count: z.number().int() }))'
  const payload = `z.object({ id: z.string(), at: z.date(), of${name}: z.string().optional(), lines: ${lines} })`
  const result = `const result${name} = z.array(z.object({ id: z.string(), name: z.string() }))\n`
  return `
const payload${name} = ${payload}
${hasResult ? result : ''}export class ${name} extends define${kind}('m${module}.${name}', payload${name}${hasResult ? `, { result: result${name} }` : ''}) {}`
}

function handlersOf(module: number): string {
  const each = (kind: string, from: number, to: number, bind: (name: string) => string): string[] =>
    Array.from({ length: to - from }, (_, index) => bind(`m.${kind}${from + index}`))
  const payload = '{ id: command.id, at: command.at, lines: [] }'
  return [
    "import { dp, repo } from './bus.ts'",
    `import * as m from './messages-${module}.ts'`,
    ...each(
      'Event',
      0,
      4,
      (name) => `
dp.events.bind(${name}, async (event, { context, repo }) => {
  await repo.add(event.id + event.lines[0]?.count + context.id)
}, { inject: { repo } })`,
    ),
    `
dp.commands.bind(m.Command4, async (command, { repo }) => [await repo.find(command.id)], { inject: { repo } })
dp.commands.bind(m.Command5, async (command, { repo }) => {
  await repo.add(command.id)
  return new m.Event1(${payload})
}, { inject: { repo }, responseEvent: m.Event1 })
dp.commands.bind(m.Command6, async (command, { repo, context, limit }) => {
  await repo.add(command.id + limit)
  context.publish(new m.Event2(${payload}))
}, { inject: { repo, limit: ${module} } })`,
    ...each(
      'Query',
      7,
      10,
      (name) => `
dp.queries.bind(${name}, async (query, { repo }) => [await repo.find(query.id)], { inject: { repo } })`,
    ),
    `
export async function answer(id: string): Promise<string | undefined> {
  const [first] = await dp.request(new m.Query7({ id, at: new Date(), lines: [] }))
  return first?.name
}`,
  ].join('\n')
}
