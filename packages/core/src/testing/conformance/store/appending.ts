import { deepEqual, equal, ok } from 'node:assert/strict'
import type { CaseDefinition } from './case-definition.ts'
import { contentOf, message, messages } from './samples.ts'
import { appended, idsOf, logOf, moment, MOMENTS, type Trial, unawaited, until } from './trial.ts'

/** Appends 3 000 messages, in batches of different sizes, many at a time. Gives their ids in the order of the calls. */
async function load(trial: Trial): Promise<{ readonly expected: string[]; readonly found: string[] }> {
  const open = await trial.open()
  const expected: string[] = []
  let calls: Promise<unknown>[] = []
  for (let size = 1; expected.length < 3_000; size = (size % 7) + 1) {
    const batch = messages(`batch ${expected.length}, `, size)
    expected.push(...batch.map(({ id }) => id))
    calls.push(open.append(batch))
    if (calls.length < 100) continue
    await Promise.all(calls)
    calls = []
  }
  await Promise.all(calls)
  return { expected, found: await idsOf(await trial.restart()) }
}

export const appending: readonly CaseDefinition[] = [
  {
    name: 'append-loses-nothing',
    title: 'of thousands of messages that were appended, none is missing',
    run: async (trial) => {
      const { expected, found } = await load(trial)
      const there = new Set(found)
      deepEqual(
        expected.filter((id) => !there.has(id)),
        [],
      )
    },
  },
  {
    name: 'append-stores-once',
    title: 'of thousands of messages that were appended, none is there twice',
    run: async (trial) => {
      const { found } = await load(trial)
      const seen = new Set<string>()
      const twice = found.filter((id) => seen.size === seen.add(id).size)
      deepEqual(twice, [])
    },
  },
  {
    name: 'append-order',
    title: 'the order of the positions is the order of the calls, from 1 on and without gaps',
    run: async (trial) => {
      const { expected, found } = await load(trial)
      deepEqual(found, expected)
      const positions = (await logOf(await trial.restart())).map(({ position }) => position)
      deepEqual(
        positions,
        expected.map((_, n) => n + 1),
      )
    },
  },
  {
    name: 'append-keeps-content',
    title: 'a message is read as it was appended, whatever text it has',
    run: async (trial) => {
      const open = await trial.open()
      const odd = 'ünïcode \u{1F680} "quotes" \'more\' \\ \n\t %s ${x} -- ;'
      const batch = [
        message('plain'),
        message('keyed', { key: 'Jane Austen', type: 'library.book-created' }),
        message(`id ${odd}`, { key: odd, type: odd, envelope: odd, body: odd }),
        message('empty', { key: '', envelope: '', body: '' }),
        message('numbers', { crc: 0xffff_ffff, time: 8_640_000_000_000, body: '[1e400]' }),
        message('long', { body: 'x'.repeat(300_000) }),
      ]
      await open.append(batch)
      const read = await logOf(await trial.restart())
      deepEqual(read.map(contentOf), batch.map(contentOf))
    },
  },
  {
    name: 'append-copies',
    title: 'what is done to a message after it was appended, or read, does not change what is stored',
    run: async (trial) => {
      const open = await trial.open()
      const mutable = { ...message('a') }
      await open.append([mutable])
      mutable.body = 'changed'
      const [read] = await logOf(open)
      // A store that freezes what it gives has done its part.
      if (read !== undefined && !Object.isFrozen(read)) Object.assign(read, { body: 'changed' })
      deepEqual((await logOf(open)).map(contentOf), [contentOf(message('a'))])
    },
  },
  {
    name: 'append-is-durable',
    title: 'what append has resolved for is there after a crash, whenever that comes',
    run: async (trial) => {
      for (let round = 0; round < MOMENTS; round += 1) {
        const open = await trial.open()
        const resolved: string[] = []
        for (const one of messages(`round ${round}, `, 12)) {
          unawaited(open.append([one]).then(() => resolved.push(one.id)))
        }
        if (round % 2 === 0) await moment(round)
        else await until(() => resolved.length > 0, 'One of twelve appends resolves')
        const promised = [...resolved]
        await trial.crash()
        const again = await trial.open()
        const found = new Set(await idsOf(again))
        deepEqual(
          promised.filter((id) => !found.has(id)),
          [],
          'These were promised, and are lost.',
        )
        await again.close()
      }
    },
  },
  {
    name: 'append-is-whole',
    title: 'after a crash, all messages of a call are there or none, and of the calls the first ones',
    run: async (trial) => {
      for (let round = 0; round < MOMENTS; round += 1) {
        const open = await trial.open()
        const before = await idsOf(open)
        const batches = [5, 400, 5, 5].map((size, n) => messages(`round ${round}, batch ${n}, `, size))
        for (const batch of batches) unawaited(open.append(batch))
        await moment(round)
        await trial.crash()
        const again = await trial.open()
        const found = (await idsOf(again)).slice(before.length)
        const whole = batches.flat().map(({ id }) => id)
        deepEqual(found, whole.slice(0, found.length))
        ok([0, 5, 405, 410, 415].includes(found.length), `${found.length} are there: a part of a call.`)
        await again.close()
      }
    },
  },
  {
    name: 'append-of-nothing',
    title: 'an append of no messages resolves, and stores nothing',
    run: async (trial) => {
      const open = await trial.open()
      deepEqual(await open.append([]), [])
      deepEqual(await idsOf(open), [])
    },
  },
  {
    name: 'append-wakes',
    title: 'a message that was appended wakes the bus',
    run: async (trial) => {
      const open = await trial.open()
      await open.append([message('a')])
      await until(() => trial.wakes > 0, 'wake() is called')
    },
  },
  {
    name: 'read-pages',
    title: 'the log is read in pages, each after a position, until there is nothing more',
    run: async (trial) => {
      const open = await trial.open()
      await open.append(messages('m', 25))
      const positions = async (after: number, limit: number): Promise<number[]> =>
        (await open.read(0, after, limit)).map(({ position }) => position)
      deepEqual(await positions(0, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      deepEqual(await positions(10, 3), [11, 12, 13])
      deepEqual(await positions(20, 1_024), [21, 22, 23, 24, 25])
      deepEqual(await positions(25, 10), [])
      deepEqual(await positions(1_000, 10), [])
    },
  },
  {
    name: 'read-at',
    title: 'messages are read by their positions, in the order asked for, without what is not there',
    run: async (trial) => {
      const open = await trial.open()
      await open.append(messages('m', 5))
      const found = await open.readAt(0, [4, 2, 77, 5])
      deepEqual(
        found.map(({ id, position }) => [id, position]),
        [
          ['m3', 4],
          ['m1', 2],
          ['m4', 5],
        ],
      )
      deepEqual(await open.readAt(0, []), [])
    },
  },
  {
    name: 'partitions-by-key',
    title: 'messages of one key are in one partition, in order; others are in others; each has its own positions',
    needs: ['partitions'],
    setup: { partitions: 4 },
    run: async (trial) => {
      const open = await trial.open()
      const keyed = messages('m', 120).map((one, n) => ({ ...one, key: `key ${n % 20}` }))
      for (const one of keyed) await open.append([one])
      const logs = await Promise.all([0, 1, 2, 3].map((partition) => logOf(open, partition)))
      equal(logs.flat().length, keyed.length)
      ok(logs.filter((log) => log.length > 0).length > 1, 'All of twenty keys are in one partition.')
      for (const log of logs)
        deepEqual(
          log.map(({ position }) => position),
          log.map((_, n) => n + 1),
        )
      for (const key of new Set(keyed.map((one) => one.key))) {
        const holding = logs.map((log) => log.filter((one) => one.key === key)).filter(({ length }) => length > 0)
        deepEqual(
          holding.map((log) => log.map(({ id }) => id)),
          [keyed.filter((one) => one.key === key).map(({ id }) => id)],
        )
      }
    },
  },
  {
    name: 'stats',
    title: 'it says how much there is of what',
    run: async (trial) => {
      const open = await trial.open()
      const [, last] = await appended(open, messages('m', 2))
      await open.append([message('later', { dueAt: open.now() + 60_000 })])
      const { appended: count, messages: left, delayed, deadLetters, subscriptions } = await open.stats()
      deepEqual({ count, left, delayed, deadLetters }, { count: last, left: 2, delayed: 1, deadLetters: 0 })
      deepEqual(
        subscriptions.map(({ name, behind, exceptions }) => ({ name, behind, exceptions })),
        [{ name: 'events/a', behind: 2, exceptions: 0 }],
      )
    },
  },
]
