import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll } from 'vitest'
import { ofPrisma, type PrismaTransaction } from '../../../src/postgres/index.ts'
import type { Isolation, LibraryTransaction } from './library.ts'
import { outboxCases } from './outbox-cases.ts'
import { openShop } from './shop.ts'

/** What the cases use of the client that is generated. */
interface Tx extends PrismaTransaction {
  readonly orders: { create(of: { readonly data: { readonly what: string } }): Promise<unknown> }
  $executeRawUnsafe(text: string): Promise<unknown>
}
interface PrismaClient extends Tx {
  $transaction<T>(run: (tx: Tx) => Promise<T>, options: { readonly isolationLevel: string }): Promise<T>
  $disconnect(): Promise<void>
}

const shop = await openShop()
const { PrismaClient } = await generated(`
  generator client {
    provider = "prisma-client"
    output = "./client"
    runtime = "nodejs"
  }
  datasource db {
    provider = "postgresql"
  }
  model orders {
    id Int @id @default(autoincrement())
    what String
  }
`)
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: shop.url, max: 4 }) })
afterAll(() => prisma.$disconnect())

const of = (tx: Tx): LibraryTransaction => ({
  tx: ofPrisma(tx),
  write: (what) => tx.orders.create({ data: { what } }),
  undone: async (run) => {
    await tx.$executeRawUnsafe('SAVEPOINT here')
    await run(of(tx))
    await tx.$executeRawUnsafe('ROLLBACK TO SAVEPOINT here')
  },
})

const levels: Readonly<Record<Isolation, string>> = {
  'read committed': 'ReadCommitted',
  'repeatable read': 'RepeatableRead',
  serializable: 'Serializable',
}

outboxCases(shop, {
  title: 'Prisma',
  transaction: (isolation, run) => prisma.$transaction((tx) => run(of(tx)), { isolationLevel: levels[isolation] }),
  wrong: { 'the client itself': () => ofPrisma(prisma), 'what has no adapter': () => prisma },
})

interface Generated {
  readonly PrismaClient: new (options: { readonly adapter: PrismaPg }) => PrismaClient
}

/** The client for a schema, generated into a temporary folder. */
async function generated(schema: string): Promise<Generated> {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-prisma-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const require = createRequire(import.meta.url)
  writeFileSync(join(folder, 'schema.prisma'), schema)
  symlinkSync(join(require.resolve('@prisma/client/package.json'), '../../..'), join(folder, 'node_modules'))
  const command = join(require.resolve('prisma/package.json'), '../build/index.js')
  execFileSync(process.execPath, [command, 'generate', '--schema', 'schema.prisma'], {
    cwd: folder,
    // Generating needs no engine, and would download one all the same, unless it is told where it is.
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1', CI: '1' },
  })
  return (await import(/* @vite-ignore */ join(folder, 'client/client.ts'))) as Generated
}
