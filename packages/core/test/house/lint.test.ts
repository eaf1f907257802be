import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const dispatcher = `
export class Dispatcher {
  publish(message: 'string'): Promise<void>
  publish<M extends object>(message: M, options?: { key?: string }): Promise<void>
  publish(): Promise<void> {
    return Promise.resolve()
  }
  bind(_handler: (deps: { context: { request<M>(message: M): Promise<M> } }) => unknown): void {}
}
`

let folder: string

beforeAll(() => {
  // Inside the repository, where the linter finds its own configuration and the compiler's.
  folder = mkdtempSync(join(import.meta.dirname, 'planted-'))
  writeFileSync(join(folder, 'dispatcher.ts'), dispatcher)
})

afterAll(() => rmSync(folder, { recursive: true }))

test.each([
  ['a method with overloads', `dp.publish({ x: 1 })`],
  ['a method of an inferred parameter', `dp.bind(({ context }) => { context.request(1) })`],
])('the linter refuses a promise that nobody awaits, from %s', (_, statement) => {
  expect(lint(statement)).toEqual({ status: 1, rules: ['typescript(no-floating-promises)'] })
})

test('the linter lets an awaited promise pass', () => {
  expect(lint(`await dp.publish('string')`)).toEqual({ status: 0, rules: [] })
})

function lint(statement: string): { status: number | null; rules: string[] } {
  const path = join(folder, 'planted.ts')
  writeFileSync(path, `import { Dispatcher } from './dispatcher.ts'\nconst dp = new Dispatcher()\n${statement}\n`)
  const { status, stdout } = spawnSync('npx', ['oxlint', '--format', 'json', path], { encoding: 'utf8' })
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string }[] }
  return { status, rules: diagnostics.map(({ code }) => code) }
}
