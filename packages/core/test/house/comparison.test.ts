import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root, run } from './run.ts'

const node = join(root, 'node_modules/node/bin/node')

// On what was built, and the peers as they are installed. When it fails: `npm run compare`, and read what has changed.
test('docs/comparison.md says what iambus and its peers do', () => {
  const printed = run(join(root, 'bench'), node, 'src/probe/main.ts', '--print')
  expect(printed).toBe(readFileSync(join(root, 'docs/comparison.md'), 'utf8'))
})
