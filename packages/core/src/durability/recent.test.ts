import { expect, test } from 'vitest'
import type { ReadMessage } from './log-reader.ts'
import { Recent } from './recent.ts'

/** Only their positions matter, and how long their texts are. */
const of = (position: number, length = 1): ReadMessage => {
  return { stored: { position, envelope: '', body: 'x'.repeat(length) } } as ReadMessage
}
const at = (...positions: number[]): ReadMessage[] => positions.map((position) => of(position))

const positionsOf = (messages: readonly ReadMessage[]): number[] => messages.map(({ stored }) => stored.position)

test('what was read is given again, from where it began', () => {
  const recent = new Recent(256)
  recent.add(10, at(12, 13, 15))
  expect(positionsOf(recent.after(10, 2))).toEqual([12, 13])
  expect(positionsOf(recent.after(13, 2))).toEqual([15])
  expect(recent.after(15, 2)).toEqual([])
})

test('nothing is given where there may be others before it', () => {
  const recent = new Recent(256)
  recent.add(10, at(12))
  expect(recent.after(9, 2)).toEqual([])
})

test('what follows is one with it, and what does not takes its place', () => {
  const recent = new Recent(256)
  recent.add(0, at(1, 2))
  recent.add(2, at(3))
  expect(positionsOf(recent.after(0, 9))).toEqual([1, 2, 3])
  recent.add(7, at(8))
  expect(recent.after(0, 9)).toEqual([])
  expect(positionsOf(recent.after(7, 9))).toEqual([8])
})

test('a bounded number is kept: the last ones', () => {
  const recent = new Recent(256)
  for (let position = 0; position < 1_000; position += 1) recent.add(position, at(position + 1))
  expect(recent.after(743, 9)).toEqual([])
  expect(positionsOf(recent.after(744, 1))).toEqual([745])
})

test('of large ones, fewer are kept', () => {
  const recent = new Recent(256)
  for (let position = 0; position < 20; position += 1) recent.add(position, [of(position + 1, 1_000_000)])
  expect(positionsOf(recent.after(16, 9))).toEqual([17, 18, 19, 20])
  expect(recent.after(15, 9)).toEqual([])
  for (let position = 20; position < 300; position += 1) recent.add(position, at(position + 1))
  expect(positionsOf(recent.after(44, 1))).toEqual([45])
  expect(recent.after(43, 1)).toEqual([])
})

test('one that is too large to be kept is not, and nothing is taken for what is before it', () => {
  const recent = new Recent(32)
  recent.add(0, [...at(1), of(2, 1_000_000)])
  expect(recent.after(0, 9)).toEqual([])
  recent.add(2, at(3))
  expect([recent.after(1, 9), positionsOf(recent.after(2, 9))]).toEqual([[], [3]])
})

test('what all have passed is forgotten', () => {
  const recent = new Recent(256)
  recent.add(0, at(1, 2))
  recent.passed(1)
  expect(positionsOf(recent.after(1, 9))).toEqual([2])
  recent.passed(2)
  expect(recent.after(0, 9)).toEqual([])
})
