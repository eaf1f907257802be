import { describe, expect, test } from 'vitest'
import { pathOf, shownPath } from './path.ts'

describe('pathOf', () => {
  test.each<[PropertyKey[], string]>([
    [[], ''],
    [['title'], 'title'],
    [['books', 2, 'title'], 'books[2].title'],
    [[0, 'title'], '[0].title'],
    [['größe', '$ref', '_id'], 'größe.$ref._id'],
    [['two words', 'a.b', '', '1'], '["two words"]["a.b"][""]["1"]'],
    [['a', Symbol('b')], 'a[Symbol(b)]'],
  ])('%j is %s', (segments, path) => expect(pathOf(segments)).toBe(path))
})

test('shownPath cuts what is longer than 200 characters', () => {
  expect(shownPath('x'.repeat(200))).toBe('x'.repeat(200))
  expect(shownPath('x'.repeat(201))).toBe(`${'x'.repeat(197)}...`)
})
