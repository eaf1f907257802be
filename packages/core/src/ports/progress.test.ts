import { array, assert, nat, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { AHEAD, Progress, type Span } from './progress.ts'

test('the cursor passes what is finished, in whatever order it was', () => {
  const progress = new Progress(10)
  progress.reached(14)
  progress.finish([12, 13])
  expect(progress.cursor).toBe(10)
  expect(progress.unfinished()).toEqual([11, 14])
  progress.finish([11, 11])
  expect(progress.cursor).toBe(13)
})

test('what has not been reached cannot be finished', () => {
  const progress = new Progress(0)
  progress.finish([1, 5])
  expect(progress.cursor).toBe(0)
  progress.reached(5)
  expect(progress.unfinished()).toEqual([1, 2, 3, 4, 5])
})

test('nothing is reached further ahead than there are bits', () => {
  expect(() => new Progress(7).reached(7 + AHEAD + 1)).toThrow(RangeError)
})

test('it is what a set of the finished positions would be, also after it was stored', () => {
  const step = record({ reach: nat(300), from: nat(AHEAD), length: nat(40) })
  assert(
    property(nat(5_000), array(step, { maxLength: 60 }), (start, steps) => {
      let progress = new Progress(start)
      const finished = new Set<number>()
      let reach = start
      for (const { reach: more, from, length } of steps) {
        reach = Math.max(reach, Math.min(reach + more, progress.cursor + AHEAD))
        progress.reached(reach)
        const span: Span = [progress.cursor + from, progress.cursor + from + length]
        for (let position = span[0]; position <= Math.min(span[1], reach); position += 1) finished.add(position)
        progress.finish(span)
        progress = new Progress(progress.cursor, progress.reach, progress.finished)
      }
      const unfinished: number[] = []
      for (let position = start + 1; position <= reach; position += 1)
        if (!finished.has(position)) unfinished.push(position)
      expect(progress.unfinished()).toEqual(unfinished)
      expect(progress.cursor).toBe((unfinished[0] ?? reach + 1) - 1)
    }),
  )
})
