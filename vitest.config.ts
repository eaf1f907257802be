import { join } from 'node:path'
import { type TestProjectInlineConfiguration, defineConfig } from 'vitest/config'

const productTests = ['packages/*/test/house/**/*.test.ts', 'examples/**/*.test.ts']
const postgresTests = ['packages/*/{src,test}/postgres/**/*.test.ts', 'examples/*-postgres/**/*.test.ts']
const ownPostgresTests = ['packages/*/test/postgres/own/**/*.test.ts']
const reports = process.env['TEST_REPORTS']

const projects = [
  {
    // Without a target below esnext, decorators and `await using` reach Node as they are written.
    esbuild: { target: 'node22.16' },
    test: {
      name: 'unit',
      // A budget, not a speed: machines are slow at times.
      testTimeout: 20_000,
      include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
      exclude: [...productTests, ...postgresTests],
    },
  },
  {
    esbuild: { target: 'node22.16' },
    test: {
      name: 'product',
      include: productTests,
      exclude: postgresTests,
      globalSetup: 'packages/core/test/house/build-and-pack.ts',
      testTimeout: 60_000,
    },
  },
  {
    // What uses a server that others may use too.
    esbuild: { target: 'node22.16' },
    test: {
      name: 'postgres',
      include: postgresTests,
      exclude: ownPostgresTests,
      globalSetup: ['packages/core/test/house/build-and-pack.ts', 'packages/core/test/servers/provide-postgres.ts'],
      testTimeout: 20_000,
      hookTimeout: 20_000,
    },
  },
  {
    // What starts servers of its own, stops, kills and fills them.
    esbuild: { target: 'node22.16' },
    test: {
      name: 'postgres-own',
      include: ownPostgresTests,
      testTimeout: 60_000,
      hookTimeout: 60_000,
    },
  },
  {
    test: {
      name: 'types',
      include: [],
      typecheck: {
        enabled: true,
        only: true,
        include: ['packages/*/{src,test}/**/*.test-d.ts'],
        exclude: ['**/legacy-decorators/**'],
      },
    },
  },
] satisfies TestProjectInlineConfiguration[]

export const projectNames: readonly string[] = projects.map(({ test }) => test.name)

export default defineConfig({
  test: {
    reporters: reports ? ['default', ['json', { outputFile: join(reports, `${process.version}.json`) }]] : ['default'],
    projects,
  },
})
