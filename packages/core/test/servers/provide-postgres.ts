import type { TestProject } from 'vitest/node'
import { decide, saysLeftOut } from './decision.ts'
import { look } from './look.ts'
import { postgres } from './postgres.ts'
import { privatePostgres } from './private-postgres.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string
  }
}

/** Finds or starts the server that all test files of the project share. */
export default async function providePostgres(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const decision = decide('shared', await look(postgres, process.env))
  if (decision.kind === 'use') {
    project.provide('postgresUrl', decision.url)
    return undefined
  }
  if (decision.kind !== 'start') throw new Error(saysLeftOut(postgres, ['shared'], 'not asked for'))
  const server = await privatePostgres({ binaries: decision.binaries })
  project.provide('postgresUrl', server.url)
  return () => server[Symbol.asyncDispose]()
}
