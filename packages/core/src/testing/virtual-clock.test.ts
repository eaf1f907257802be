import { expect, test } from 'vitest'
import { InvalidOption } from '../errors.ts'
import { EPOCH_MS, VirtualClock } from './virtual-clock.ts'

test('time stands still until it is told to pass', async () => {
  const clock = new VirtualClock()
  expect(clock.now()).toBe(EPOCH_MS)
  await clock.advance(250)
  expect([clock.now(), clock.monotonic()]).toEqual([EPOCH_MS + 250, 250])
})

test('timers fire at their times, the earliest first, and those of one time in their order', async () => {
  const clock = new VirtualClock(0)
  const fired: string[] = []
  const set = (name: string, ms: number): unknown => clock.after(ms, () => fired.push(`${name} at ${clock.now()}`))
  set('c', 30)
  set('a', 10)
  set('b', 10)
  set('d', 31)
  await clock.advance(30)
  expect(fired).toEqual(['a at 10', 'b at 10', 'c at 30'])
})

test('what a timer begins has its turn before the next one fires, also a timer that falls due meanwhile', async () => {
  const clock = new VirtualClock(0)
  const said: string[] = []
  clock.after(10, () => {
    void (async () => {
      await Promise.resolve()
      said.push('begun by the first')
      clock.after(5, () => said.push('set by the first'))
    })()
  })
  clock.after(20, () => said.push('the second'))
  await clock.advance(20)
  expect(said).toEqual(['begun by the first', 'set by the first', 'the second'])
})

test('a cancelled timer does not fire, and one that nobody waits for is not awaited', async () => {
  const clock = new VirtualClock(0)
  let fired = 0
  clock.after(10, () => (fired += 1)).cancel()
  clock.after(20, () => (fired += 1)).unref?.()
  expect([clock.timers, clock.nextInMs, clock.fireNext()]).toEqual([0, undefined, false])
  await clock.advance(20)
  expect(fired).toBe(1)
})

test('the next timer is fired at its time, after those before it that nobody waits for', () => {
  const clock = new VirtualClock(0)
  const fired: number[] = []
  clock.after(10, () => fired.push(clock.now())).unref?.()
  clock.after(20, () => fired.push(clock.now()))
  clock.after(30, () => fired.push(clock.now()))
  expect(clock.nextInMs).toBe(20)
  expect(clock.fireNext()).toBe(true)
  expect(fired).toEqual([10, 20])
})

test('the time of day can be set, and no timer fires earlier or later for it', async () => {
  const clock = new VirtualClock(1_000)
  let fired = false
  clock.after(10, () => (fired = true))
  clock.jump(-500)
  expect([clock.now(), clock.monotonic()]).toEqual([500, 0])
  await clock.advance(9)
  expect(fired).toBe(false)
  await clock.advance(1)
  expect([fired, clock.now()]).toEqual([true, 510])
})

test('what is no time is refused', async () => {
  const clock = new VirtualClock()
  await expect(clock.advance(-1)).rejects.toThrow(InvalidOption)
  await expect(clock.advance(Number.NaN)).rejects.toThrow('advance() was given NaN')
  expect(() => clock.jump(Number.POSITIVE_INFINITY)).toThrow('jump() was given Infinity')
  expect(() => new VirtualClock('now' as never)).toThrow('startMs was given "now"')
})
