import { expect, test } from 'vitest'
import type * as Ids from './id.ts'
import { nextId } from './id.ts'

test('ids are unique', () => {
  const ids = Array.from({ length: 10_000 }, nextId)
  expect(new Set(ids).size).toBe(ids.length)
})

test('an id is a prefix of 16 url-safe characters and a counter', () => {
  expect(nextId()).toMatch(/^[\w-]{16}-[0-9a-z]+$/)
})

test('ids of one thread share their prefix, and count', () => {
  const [first, second] = [nextId(), nextId()]
  expect(second.slice(0, 17)).toBe(first.slice(0, 17))
  expect(counterOf(second)).toBe(counterOf(first) + 1)
})

test('another copy of the module, as in another thread, has a prefix of its own', async () => {
  const path = './id.ts?another-thread'
  const other = (await import(path)) as typeof Ids
  expect(other.nextId().slice(0, 16)).not.toBe(nextId().slice(0, 16))
})

function counterOf(id: string): number {
  return Number.parseInt(id.slice(17), 36)
}
