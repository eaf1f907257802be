import { expect, test } from 'vitest'
import { uuidV7 } from './uuid.ts'

test('ids are UUIDs of version 7, with their time in them', () => {
  const now = Date.parse('2100-01-01T00:00:00Z')
  const id = uuidV7(now)
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(now)
})

test('ids sort as they were made, and none comes twice, also when more are made than a millisecond has room for', () => {
  const now = Date.parse('2100-01-02T00:00:00Z')
  const ids = Array.from({ length: 10_000 }, (_, index) => uuidV7(index < 9_000 ? now : now - 1_000))
  expect(ids.toSorted()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
})
