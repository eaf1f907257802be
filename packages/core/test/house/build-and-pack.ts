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

/** Where the tarball is, for the other projects of this run. */
const variable = 'IAMBUS_TARBALL'

/**
 * Packs, which builds, once for all test files of all projects: they run side by side, and a second build would pull `dist` from
 * under them.
 */
export default function buildAndPack(project: TestProject): () => void {
  const known = process.env[variable]
  if (known !== undefined) {
    project.provide('tarball', known)
    return () => {}
  }
  const folder = mkdtempSync(join(tmpdir(), 'iambus-pack-'))
  run(root, 'npm', 'pack', '--workspace', '@iambus/core', '--pack-destination', folder)
  const tarball = join(folder, `iambus-core-${manifest.version}.tgz`)
  process.env[variable] = tarball
  project.provide('tarball', tarball)
  return () => {
    delete process.env[variable]
    rmSync(folder, { recursive: true, force: true })
  }
}
