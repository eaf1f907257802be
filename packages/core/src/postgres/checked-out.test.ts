import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { CheckedOut } from './checked-out.ts'
import type { PostgresClient } from './client.ts'
import { Statements } from './statements.ts'

/** A client that does nothing, and may say that it has failed. */
class Client extends EventEmitter {
  released: unknown
  readonly query = async (): Promise<{ rows: never[] }> => ({ rows: [] })

  release(destroy?: boolean): void {
    this.released = destroy
  }
}

const checkedOut = async (): Promise<{ readonly client: Client; readonly connection: CheckedOut }> => {
  const client = new Client()
  const pool = { connect: async () => client as unknown as PostgresClient } // It has all that is called.
  const statements = new Statements('"iambus"')
  const connection = await CheckedOut.of({ name: 'the store', pool, timeoutMs: 1_000, statements, isPrepared: false })
  return { client, connection }
}

test('what the server says after its connection was given up hurts nobody', async () => {
  const { client, connection } = await checkedOut()
  connection.release(true)
  expect(client.released).toBe(true)
  expect(() => client.emit('error', new Error('terminating connection due to administrator command'))).not.toThrow()
})

test('a connection that goes back to its pool is left as it was', async () => {
  const { client, connection } = await checkedOut()
  connection.release()
  expect([client.released, client.listenerCount('error')]).toEqual([false, 0])
})
