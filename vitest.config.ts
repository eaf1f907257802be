import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

const productTests = ['packages/*/test/house/**/*.test.ts', 'examples/**/*.test.ts']
const reports = process.env['TEST_REPORTS']

export default defineConfig({
  test: {
    reporters: reports ? ['default', ['json', { outputFile: join(reports, `${process.version}.json`) }]] : ['default'],
    projects: [
      {
        // Without a target below esnext, decorators and `await using` reach Node as they are written.
        esbuild: { target: 'node22.16' },
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
          exclude: productTests,
        },
      },
      {
        esbuild: { target: 'node22.16' },
        test: {
          name: 'product',
          include: productTests,
          globalSetup: 'packages/core/test/house/build-and-pack.ts',
          testTimeout: 60_000,
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
    ],
  },
})
