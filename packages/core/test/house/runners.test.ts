import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { root, run } from './run.ts'

/** What a stranger tests, whatever runs it. */
const tests = `
import assert from 'node:assert/strict'
import { defineCommand, defineEvent, defineQuery, fixed, retry } from '@iambus/core'
import { NotSettled, scenario, testDispatcher } from '@iambus/core/testing'
import { sqlite } from '@iambus/core/sqlite'

class OrderBook extends defineCommand('shop.order-book') {}
class BookSold extends defineEvent('shop.book-sold') {}
class Stock extends defineQuery('shop.stock') {}

function shop(options) {
  const harness = testDispatcher({ recover: retry({ attempts: 2, backoff: fixed(60_000) }), ...options })
  const stock = harness.stub(Stock, () => 1)
  harness.dp.commands.bind(OrderBook, async ({ title }, { context }) => {
    await context.request(new Stock({ title }))
    if (context.attempt === 1) throw new Error('not yet')
    context.publish(new BookSold({ title }), { delayMs: 86_400_000 })
  }, { name: 'order' })
  return { harness, stock }
}

for (const [name, options] of [['in memory', () => ({})], ['in a file', () => ({ store: sqlite('shop-' + process.pid + '.db') })]]) {
  test('goes through retries and delays ' + name, async () => {
    const { harness, stock } = shop(options())
    await harness.start()
    await harness.dp.send(new OrderBook({ title: 'Emma' }))
    await harness.settled()
    assert.deepEqual(harness.published(BookSold), [new BookSold({ title: 'Emma' })])
    assert.equal(stock.calls.length, 2)
    assert.equal(harness.clock.monotonic(), 86_460_000)
    await harness.stop()
  })
}

test('a scenario holds', async () => {
  const { harness } = shop()
  await scenario(harness).when(new OrderBook({ title: 'Emma' })).then(BookSold, { title: 'Emma' }).andNothingElse()
  await harness.stop()
})

test('what hangs is told', async () => {
  const harness = testDispatcher()
  harness.dp.events.bind(BookSold, () => new Promise(() => {}))
  await harness.start()
  await harness.dp.publish(new BookSold({ title: 'Emma' }))
  await assert.rejects(harness.settled({ timeoutMs: 10 }), NotSettled)
  await harness.stop({ deadlineMs: 0 })
})

if (process.env.FAILS) test('a scenario fails', async () => {
  const { harness } = shop()
  await scenario(harness).when(new OrderBook({ title: 'Emma' })).then(new BookSold({ title: 'Persuasion' }))
})
`

const tree = [
  "Expected shop.book-sold { title: 'Persuasion' }, and it was not caused. Of its type:",
  "send shop.order-book { title: 'Emma' }",
  '  commands/order: done after 2 attempts',
  "    publish shop.book-sold { title: 'Emma' }, which nobody handles",
]

const node = join(root, 'node_modules/node/bin/node')
const runners = {
  vitest: { imports: `import { test } from 'vitest'`, with: [join(root, 'node_modules/vitest/vitest.mjs'), 'run'] },
  jest: {
    imports: '',
    with: ['--experimental-vm-modules', join(root, 'node_modules/jest/bin/jest.js'), '--ci', '--no-cache'],
  },
  'node:test': { imports: `import { test } from 'node:test'`, with: ['--test'] },
}

describe.each(Object.entries(runners))('the test kit, in %s', (name, { imports, with: runner }) => {
  let project: string

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), `iambus-runner-`))
    const jest = { transform: {}, testEnvironment: 'node' }
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ name: 'tester', private: true, type: 'module', jest }),
    )
    writeFileSync(join(project, 'shop.test.js'), `${imports}\n${tests}`)
    run(project, 'npm', 'install', '--offline', inject('tarball'))
    mkdirSync(join(project, 'node_modules'), { recursive: true })
    if (name === 'vitest') symlinkSync(join(root, 'node_modules/vitest'), join(project, 'node_modules/vitest'))
  })

  afterAll(() => rmSync(project, { recursive: true, force: true }))

  const outputOf = (environment: NodeJS.ProcessEnv): string =>
    run(project, 'env', ...Object.entries(environment).map(([key, value]) => `${key}=${value}`), node, ...runner)

  test('holds what it promises, and lets the process end', () => {
    expect(() => outputOf({ NO_COLOR: '1' })).not.toThrow()
  })

  test('fails a test whose scenario fails, and prints what happened', () => {
    let output = ''
    try {
      output = outputOf({ NO_COLOR: '1', FAILS: '1' })
    } catch (error) {
      output = (error as Error).message
    }
    for (const line of tree) expect(output).toContain(line)
  })
})
