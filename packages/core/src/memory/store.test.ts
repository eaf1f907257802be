import { expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import type { NewMessage, StoreOpening } from '../ports/store.ts'
import { memory } from './store.ts'

const opening = (name = 'events/a'): StoreOpening => ({
  service: undefined,
  subscriptions: [{ name, formerly: [], types: ['t'], from: 'now' }],
  clock: new ManualClock(),
  wake: () => {},
})
const message = (id: string): NewMessage => {
  return { id, type: 't', key: undefined, time: 0, envelope: '{}', body: id, crc: 0, mayRepeat: false }
}

test('what was stored is there after a restart', async () => {
  const store = memory()
  const open = await store.open(opening())
  await open.append([message('a')])
  await open.close()
  const again = await store.open(opening())
  expect(await again.read(0, 0, 10)).toMatchObject([{ id: 'a', position: 1 }])
})

test('it has one owner, until that one closes or crashes', async () => {
  const store = memory()
  await store.open(opening())
  await expect(store.open(opening())).rejects.toMatchObject({ code: 'STORE_OWNED' })
  store.crash()
  const open = await store.open(opening())
  await open.close()
  await store.open(opening())
})

test('after a crash, nothing more is stored of what was under way', async () => {
  const store = memory()
  const open = await store.open(opening())
  const appending = open.append([message('a')])
  const tx = store.transaction()
  await open.append([message('b')], tx)
  store.crash()
  await expect(open.append([message('c')])).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  await expect(tx.commit()).rejects.toThrow('ended')
  await appending.catch(() => {})
  const again = await store.open(opening())
  expect((await again.read(0, 0, 10)).map(({ id }) => id)).not.toContain('b')
})

test('a transaction has its effects and messages stored when it commits, and the store is not held up meanwhile', async () => {
  const store = memory()
  const open = await store.open(opening())
  const tx = store.transaction()
  tx.write('effect')
  await open.append([message('a')], tx)
  await open.append([message('b')])
  expect(store.effects).toEqual([])
  await tx.commit()
  expect(store.effects).toEqual(['effect'])
  expect((await open.read(0, 0, 10)).map(({ id }) => id)).toEqual(['b', 'a'])
})

test('a write that is awaited within an asynchronous commit is refused; one that is not, and is synchronous, comes after it', async () => {
  const open = await memory().open(opening())
  const [claim] = await open.claim()
  if (claim === undefined) throw new Error('There is nothing to claim.')
  const settling = open.settle(claim, {
    work: async () => {
      await open.append([message('a')])
      return []
    },
  })
  await expect(settling).rejects.toMatchObject({ code: 'COMMIT_DEADLOCK' })
  let appending: Promise<unknown> | undefined
  await open.settle(claim, {
    caused: [message('first')],
    work: () => {
      appending = open.append([message('second')])
      return []
    },
  })
  await appending
  expect((await open.read(0, 0, 10)).map(({ id }) => id)).toEqual(['first', 'second'])
})

test('messages of one key are in one partition, and those of many in all', async () => {
  const open = await memory({ partitions: 4 }).open(opening())
  const keyed = Array.from({ length: 64 }, (_, n) => ({ ...message(`${n}`), key: `key-${n % 16}` }))
  await open.append(keyed)
  const partitions = await Promise.all([0, 1, 2, 3].map(async (n) => open.read(n, 0, 100)))
  const keys = partitions.map((messages) => new Set(messages.map(({ key }) => key)))
  expect(keys.every(({ size }) => size > 0)).toBe(true)
  expect(keys.reduce((sum, { size }) => sum + size, 0)).toBe(16)
})

test.each([{ partitions: 0 }, { leaseMs: -1 }, { completion: 'archive' }, { share: true }])(
  'it refuses the options %o',
  (options) => {
    expect(() => memory(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  },
)
