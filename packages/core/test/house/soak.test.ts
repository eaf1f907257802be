import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root, run } from './run.ts'

const node = join(root, 'node_modules/node/bin/node')

// The short form of `npm run soak`, on what was built.
test('the memory in use stays flat over a million messages, each with a key of its own', () => {
  const printed = run(join(root, 'bench'), node, '--expose-gc', 'src/soak.ts', '--messages', '1000000')
  expect(printed).toMatch(/^1,000,000 messages/m)
})
