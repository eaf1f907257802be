import { randomBytes } from 'node:crypto'
import { afterAll, inject } from 'vitest'
import { postgres, query } from './postgres.ts'

/**
 * Makes an empty database for this test file, and drops it when all its tests have ended. To be called where the file's hooks are.
 *
 * @param server - the one that all share, unless another is given.
 * @returns its URL.
 * @example
 * const url = await ownDatabase()
 */
export async function ownDatabase(server: string = inject('postgresUrl')): Promise<string> {
  const name = `iambus_test_${randomBytes(6).toString('hex')}`
  // From the template that nobody is connected to: the other one cannot be copied while somebody is.
  await query(server, `CREATE DATABASE ${name} TEMPLATE template0`).catch((cause: unknown) => {
    throw mayNotCreate(cause) ? new Error(remedy(server), { cause }) : cause
  })
  afterAll(async () => {
    await whenLeft(server, name)
    await query(server, `DROP DATABASE ${name} WITH (FORCE)`)
  })
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

/** Waits a while for connections that are being closed: one that is ended by the server instead is an error of its pool's. */
async function whenLeft(server: string, name: string): Promise<void> {
  for (let again = 0; again < 100; again += 1) {
    const left = await query(
      server,
      `SELECT FROM pg_stat_activity WHERE datname = '${name}' AND backend_type = 'client backend'`,
    )
    if (left.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const mayNotCreate = (error: unknown): boolean => (error as { code?: unknown }).code === '42501'

function remedy(server: string): string {
  const { username, host } = new URL(server)
  return (
    `"${username}" may not create databases on ${host}, and each test file needs one of its own: ` +
    `ALTER ROLE "${username}" CREATEDB, or name somebody who may in ${postgres.variable}.`
  )
}
