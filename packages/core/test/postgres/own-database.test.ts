import { expect, inject, test } from 'vitest'
import { ownDatabase } from '../servers/own-database.ts'
import { query } from '../servers/postgres.ts'

const url = await ownDatabase()
const other = await ownDatabase()

test('the server has a version that is supported', async () => {
  const [row] = await query(url, `SELECT current_setting('server_version_num')::int / 10000 AS version`)
  expect(row?.['version']).toBeGreaterThanOrEqual(13)
})

test('a test file has a database of its own, which is empty', async () => {
  const [database] = await query(url, 'SELECT current_database() AS name')
  expect(`/${String(database?.['name'])}`).toBe(new URL(url).pathname)
  expect(await query(url, `SELECT * FROM pg_tables WHERE schemaname = 'public'`)).toEqual([])
})

test('what is in one database is not in another', async () => {
  expect(url).not.toBe(other)
  await query(url, 'CREATE TABLE here (id int)')
  await expect(query(other, 'SELECT * FROM here')).rejects.toMatchObject({ code: '42P01' })
  await expect(query(inject('postgresUrl'), 'SELECT * FROM here')).rejects.toMatchObject({ code: '42P01' })
})
