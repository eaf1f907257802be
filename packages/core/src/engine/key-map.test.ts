import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeyMap } from './key-map.ts'

test('it has what a Map has', () => {
  const key = fc.integer({ min: 0, max: 600 }).map(String)
  const step = fc.record({ does: fc.constantFrom('set', 'set', 'delete', 'clear'), key, value: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
      const map = new KeyMap<number>()
      const model = new Map<string, number>()
      for (let n = 0; n < 600; n += 1) {
        map.set(`${n}`, n)
        model.set(`${n}`, n)
      }
      for (const { does, key: of, value } of steps) {
        const keys = does === 'clear' ? [...model.keys()].slice(Number(of)) : [of]
        for (const one of keys) {
          if (does === 'set') {
            map.set(one, value)
            model.set(one, value)
          } else {
            map.delete(one)
            model.delete(one)
          }
        }
        expect([map.size, map.get(of)]).toEqual([model.size, model.get(of)])
      }
      for (let n = 0; n < 600; n += 1) expect(map.get(`${n}`)).toBe(model.get(`${n}`))
    }),
    { numRuns: 50 },
  )
})
