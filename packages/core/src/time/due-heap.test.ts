import { array, assert, boolean, nat, property, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { type Due, DueHeap } from './due-heap.ts'

const inOrder = (all: Iterable<Due>): Due[] => [...all].sort((a, b) => a.dueAt - b.dueAt || a.order - b.order)

test('the earliest is on top, and of two that are due together the one that came first, whoever is taken out', () => {
  assert(
    property(array(tuple(boolean(), nat(20)), { maxLength: 200 }), (steps) => {
      const heap = new DueHeap<Due>()
      const model: Due[] = []
      for (const [order, [adds, number]] of steps.entries()) {
        if (adds || model.length === 0) {
          const one = { dueAt: number, order, place: 0 }
          heap.add(one)
          model.push(one)
        } else {
          const [one] = model.splice(number % model.length, 1)
          heap.remove(one as Due)
        }
        expect(heap.size).toBe(model.length)
        expect(heap.first).toBe(inOrder(model)[0])
      }
      expect(heap.takeAll()).toEqual(inOrder(model))
      expect(heap.first).toBeUndefined()
    }),
  )
})

test('a hundred thousand are added, half are taken out, and the others come in order, in a few comparisons each', () => {
  const heap = new DueHeap<Due>()
  let reads = 0
  const all = Array.from({ length: 100_000 }, (_, order) => ({
    get dueAt() {
      reads += 1
      return (order * 7_919) % 100_003
    },
    order,
    place: 0,
  }))
  for (const one of all) heap.add(one)
  for (const one of all) if (one.order % 2 === 0) heap.remove(one)
  let [last, count] = [-1, 0]
  for (let next = heap.first; next !== undefined; next = heap.first) {
    expect(next.dueAt > last).toBe(true)
    last = next.dueAt
    heap.remove(next)
    count += 1
  }
  expect(count).toBe(50_000)
  expect(reads / all.length).toBeLessThan(150)
})
