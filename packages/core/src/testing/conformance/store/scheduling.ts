import { deepEqual, equal } from 'node:assert/strict'
import type { CaseDefinition } from './case-definition.ts'
import { message } from './samples.ts'
import { idsOf, moment, MOMENTS, unawaited } from './trial.ts'

export const scheduling: readonly CaseDefinition[] = [
  {
    name: 'schedules-survive',
    title: 'a schedule is put, changed and removed, and survives a crash (S10)',
    run: async (trial) => {
      const { schedules } = await trial.open()
      equal(await schedules.dueAt('daily'), undefined)
      await schedules.put('daily', 1_000)
      await schedules.put('hourly', 500)
      await schedules.put('daily', 2_000)
      const again = (await trial.restart()).schedules
      deepEqual([await again.dueAt('daily'), await again.dueAt('hourly')], [2_000, 500])
      deepEqual([await again.remove('daily'), await again.remove('daily')], [true, false])
      const third = (await trial.restart()).schedules
      deepEqual([await third.dueAt('daily'), await third.dueAt('hourly')], [undefined, 500])
    },
  },
  {
    name: 'schedules-fire-once',
    title: 'of many that fire a schedule for one time, one does: there is one message (S10)',
    run: async (trial) => {
      const open = await trial.open()
      await open.schedules.put('daily', 1_000)
      const fire = (n: number): Promise<boolean> =>
        open.schedules.fire('daily', { dueAt: 1_000, next: 2_000, message: message(`fired ${n}`) })
      const fired = await Promise.all(Array.from({ length: 10 }, (_, n) => fire(n)))
      equal(fired.filter(Boolean).length, 1)
      deepEqual(await idsOf(open), [`fired ${fired.indexOf(true)}`])
      equal(await open.schedules.dueAt('daily'), 2_000)
      equal(await fire(99), false)
      equal((await idsOf(open)).length, 1)
    },
  },
  {
    name: 'schedules-not-due',
    title: 'what is due at another time, or is no schedule any more, is not fired',
    run: async (trial) => {
      const open = await trial.open()
      await open.schedules.put('daily', 1_000)
      const fire = (name: string, dueAt: number): Promise<boolean> =>
        open.schedules.fire(name, { dueAt, next: 2_000, message: message('fired') })
      equal(await fire('daily', 999), false)
      equal(await fire('none', 1_000), false)
      equal(await open.schedules.dueAt('none'), undefined)
      await open.schedules.remove('daily')
      equal(await fire('daily', 1_000), false)
      deepEqual(await idsOf(open), [])
    },
  },
  {
    name: 'schedules-fire-atomically',
    title: 'a crash leaves the message with its next time or neither, whenever it comes (S10)',
    run: async (trial) => {
      for (let round = 0; round < MOMENTS; round += 1) {
        const open = await trial.open()
        await open.schedules.put('daily', round)
        const id = `fired ${round}`
        unawaited(open.schedules.fire('daily', { dueAt: round, next: round + 1_000, message: message(id) }))
        await moment(round)
        await trial.crash()
        const again = await trial.open()
        equal((await again.schedules.dueAt('daily')) === round + 1_000, (await idsOf(again)).includes(id))
        await again.close()
      }
    },
  },
]
