import { existsSync, readdirSync } from 'node:fs'
import { userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client } from 'pg'
import type { Environment, Server } from './server.ts'

/**
 * `IAMBUS_POSTGRES_PORT` is looked at instead of 5432, and `IAMBUS_POSTGRES_BIN` for binaries instead of where they usually are.
 */
export const postgres: Server = {
  title: 'PostgreSQL',
  variable: 'IAMBUS_POSTGRES_URL',
  projects: { shared: 'postgres', own: 'postgres-own' },
  debianPackage: 'postgresql',
  usualUrls: ({ IAMBUS_POSTGRES_PORT: port = '5432' }) =>
    [...new Set(['postgres', userInfo().username])].map((user) => `postgres://${user}@127.0.0.1:${port}/postgres`),
  ask: async (url) => void (await query(url, 'SELECT 1')),
  findBinaries,
}

/** Sends one statement to the server at this URL, on a connection of its own. */
export async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // Whatever ends the connection ends what waits for an answer, too.
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<Record<string, unknown>>(statement)
    return rows
  } finally {
    await client.end()
  }
}

function findBinaries({ IAMBUS_POSTGRES_BIN: given, PATH: path = '' }: Environment): string | undefined {
  // Private servers are ended by what `/proc` says of them.
  if (process.platform !== 'linux') return undefined
  const folders = given ? [given] : [...debianFolders(), ...path.split(delimiter)]
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))))
}

/** Where Debian and Ubuntu put the binaries of each version, the newest first. */
function debianFolders(): string[] {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  return readdirSync(root)
    .sort((one, other) => Number(other) - Number(one))
    .map((version) => join(root, version, 'bin'))
}
