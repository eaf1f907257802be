import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import manifest from '../../package.json' with { type: 'json' }
import { root, run } from './run.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    tarball: string
  }
}

/** Packs, which builds, once for all test files: they run side by side, and a second build would pull `dist` from under them. */
export default function buildAndPack(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-pack-'))
  run(root, 'npm', 'pack', '--workspace', '@iambus/core', '--pack-destination', folder)
  project.provide('tarball', join(folder, `iambus-core-${manifest.version}.tgz`))
  return () => rmSync(folder, { recursive: true, force: true })
}
