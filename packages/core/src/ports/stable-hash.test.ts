import { expect, test } from 'vitest'
import { partitionOf, stableHash } from './stable-hash.ts'

test.each([
  ['', 0x811c9dc5],
  ['a', 0xe40c292c],
  ['foobar', 0xbf9cf968],
])('the hash of %j is what FNV-1a gives', (text, hash) => {
  expect(stableHash(text)).toBe(hash)
})

test('a key is in the same partition for ever: what is stored goes by it', () => {
  const keys = ['Jane Austen', 'Žižek', '村上春樹', '📚', '']
  expect(keys.map((key) => partitionOf(key, 64))).toEqual([13, 45, 61, 25, 5])
})

test('another start gives another hash', () => {
  expect(stableHash('a', 1)).not.toBe(stableHash('a'))
})
