import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { claimOne, idsOf, message, messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import { sqlite } from './sqlite.ts'
import { endedByWork } from './works.ts'

const asDatabase = (tx: unknown): DatabaseSync => tx as DatabaseSync
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const write = (tx: unknown, effect: string): void =>
  void asDatabase(tx).prepare('INSERT INTO effect VALUES (?)').run(effect)

async function withEffects(): Promise<{ path: string; effects: () => unknown[] }> {
  const path = tempFile()
  const reader = new DatabaseSync(path)
  onTestFinished(() => reader.close())
  reader.exec('CREATE TABLE effect (text TEXT PRIMARY KEY)')
  return {
    path,
    effects: () =>
      reader
        .prepare('SELECT text FROM effect')
        .all()
        .map((row) => row['text']),
  }
}

test('work that ends the transaction by COMMIT is refused, and what was stored before and after it stays whole', async () => {
  const { path, effects } = await withEffects()
  const open = await openStore(sqlite(path))
  const claim = await claimOne(open)
  const results = await Promise.allSettled([
    open.append([message('before')]),
    open.settle(claim, {
      caused: [message('caused')],
      work: (tx) => {
        write(tx, 'own')
        asDatabase(tx).exec('COMMIT')
        return [message('returned')]
      },
    }),
    open.append([message('after')]),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(results[1]).toMatchObject({ reason: { code: 'STORE_FAILED', message: expect.stringContaining('SAVEPOINT') } })
  expect((await open.read(0, 0, 10)).map(({ position, id }) => [position, id])).toEqual([
    [1, 'before'],
    [2, 'after'],
  ])
  expect(effects()).toEqual(['own'])
})

test.each(['ROLLBACK', 'COMMIT; BEGIN', 'ROLLBACK; BEGIN', 'ROLLBACK; BEGIN; SAVEPOINT other'])(
  'work that does %s is refused, nothing is half stored, and the store goes on',
  async (sql) => {
    const { path } = await withEffects()
    const open = await openStore(sqlite(path))
    const claim = await claimOne(open)
    const results = await Promise.allSettled([
      open.append([message('before', { mayRepeat: true })]),
      open.settle(claim, {
        work: (tx) => {
          asDatabase(tx).exec(sql)
          return [message('returned')]
        },
      }),
      open.append([message('after')]),
    ])
    const isKept = sql.startsWith('COMMIT')
    expect(results.map(({ status }) => status)).toEqual([isKept ? 'fulfilled' : 'rejected', 'rejected', 'fulfilled'])
    expect(await idsOf(open)).toEqual(isKept ? ['before', 'after'] : ['after'])
    // What was rejected is not remembered either.
    expect(await open.append([message('before', { mayRepeat: true })])).toEqual([!isKept])
  },
)

test('work may have savepoints of its own', async () => {
  const { path, effects } = await withEffects()
  const open = await openStore(sqlite(path))
  await open.settle(await claimOne(open), {
    work: (tx) => {
      write(tx, 'kept')
      asDatabase(tx).exec('SAVEPOINT mine')
      write(tx, 'undone')
      asDatabase(tx).exec('ROLLBACK TO mine; RELEASE mine')
      return []
    },
  })
  expect(effects()).toEqual(['kept'])
})

test('asynchronous work has the transaction for itself: what is asked for meanwhile is stored after it', async () => {
  const { path, effects } = await withEffects()
  const open = await openStore(sqlite(path))
  const claim = await claimOne(open)
  const { promise: goOn, resolve: letGoOn } = Promise.withResolvers<void>()
  const { promise: hasBegun, resolve: begins } = Promise.withResolvers<void>()
  const settling = open.settle(claim, {
    work: async (tx) => {
      write(tx, 'first')
      begins()
      await goOn
      write(tx, 'second')
      return [message('returned')]
    },
  })
  await hasBegun
  let isStored = false
  const appending = open.append([message('meanwhile')]).then(() => (isStored = true))
  const looking = open.stats()
  expect(await open.read(0, 0, 10)).toEqual([])
  await turn()
  expect([isStored, effects()]).toEqual([false, []])
  letGoOn()
  await Promise.all([settling, appending])
  expect(effects()).toEqual(['first', 'second'])
  expect((await looking).appended).toBe(1)
  expect(await idsOf(open)).toEqual(['returned', 'meanwhile'])
})

test('asynchronous work that takes too long is undone, and what it writes afterwards is refused', async () => {
  const { path, effects } = await withEffects()
  const clock = new ManualClock()
  const open = await openStore(sqlite(path, { commitTimeoutMs: 50 }), { clock })
  const claim = await claimOne(open)
  const { promise: goOn, resolve: letGoOn } = Promise.withResolvers<void>()
  const { promise: hasBegun, resolve: begins } = Promise.withResolvers<void>()
  let late: unknown
  const ended = Promise.withResolvers<void>()
  const settling = open.settle(claim, {
    caused: [message('caused')],
    work: async (tx) => {
      const statement = asDatabase(tx).prepare('INSERT INTO effect VALUES (?)')
      statement.run('early')
      begins()
      await goOn
      try {
        statement.run('late')
      } catch (error) {
        late = error
      }
      ended.resolve()
      return []
    },
  })
  const rejected = expect(settling).rejects.toMatchObject({
    code: 'TIMED_OUT',
    message: expect.stringContaining('commitTimeoutMs: 50'),
  })
  await hasBegun
  const appending = open.append([message('after')])
  clock.advance(50)
  await rejected
  await appending
  letGoOn()
  await ended.promise
  expect(late).toMatchObject({ code: 'STORE_FAILED' })
  expect(effects()).toEqual([])
  expect(await idsOf(open)).toEqual(['after'])
  expect(clock.timers).toBe(0)
})

test('an append that is awaited inside of asynchronous work rejects, also one that began before the first await', async () => {
  const open = await openStore(sqlite(tempFile()))
  const claim = await claimOne(open)
  const codes: unknown[] = []
  const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
    promise.catch((error: unknown) => (error as { readonly code: unknown }).code)
  await open.settle(claim, {
    work: async () => {
      codes.push(await codeOf(open.append([message('first')])))
      await turn()
      codes.push(await codeOf(open.append([message('second')])))
      codes.push(await codeOf(open.stats()))
      return []
    },
  })
  expect(codes).toEqual(['COMMIT_DEADLOCK', 'COMMIT_DEADLOCK', 'COMMIT_DEADLOCK'])
  expect(await idsOf(open)).toEqual([])
})

test('an append by somebody else does not reject while asynchronous work is done', async () => {
  const open = await openStore(sqlite(tempFile()))
  const claim = await claimOne(open)
  const { promise: hasBegun, resolve: begins } = Promise.withResolvers<void>()
  const { promise: goOn, resolve: letGoOn } = Promise.withResolvers<void>()
  const settling = open.settle(claim, {
    work: async () => {
      begins()
      await goOn
      return []
    },
  })
  await hasBegun
  const appending = open.append([message('bystander')])
  letGoOn()
  await settling
  expect(await appending).toEqual([true])
})

test('an append in synchronous work that is not awaited is stored after it', async () => {
  const open = await openStore(sqlite(tempFile()))
  let appending: Promise<unknown> | undefined
  await open.settle(await claimOne(open), {
    work: () => {
      appending = open.append([message('after')])
      return [message('returned')]
    },
  })
  await appending
  expect(await idsOf(open)).toEqual(['returned', 'after'])
})

test('messages may be appended to the tx of a work, and share its fate', async () => {
  const open = await openStore(sqlite(tempFile()))
  const claim = await claimOne(open)
  await open.settle(claim, {
    work: async (tx) => {
      await open.append(messages(2), tx)
      return [message('returned')]
    },
  })
  const failing = open.settle(claim, {
    work: async (tx) => {
      await open.append([message('undone')], tx)
      throw new Error('as it should')
    },
  })
  await expect(failing).rejects.toThrow('as it should')
  expect(await idsOf(open)).toEqual(['m1', 'm2', 'returned'])
})

test('asynchronous work is refused on a connection of the caller', async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  database.exec('CREATE TABLE effect (text TEXT PRIMARY KEY)')
  const open = await openStore(sqlite({ database }))
  const claim = await claimOne(open)
  const settling = open.settle(claim, {
    caused: [message('caused')],
    work: async (tx) => {
      write(tx, 'undone')
      return []
    },
  })
  await expect(settling).rejects.toThrow('sqlite(path)')
  expect(database.prepare('SELECT * FROM effect').all()).toEqual([])
  await open.settle(claim, {
    work: (tx) => {
      expect(tx).toBe(database)
      write(tx, 'done')
      return []
    },
  })
  expect(database.prepare('SELECT * FROM effect').all()).toHaveLength(1)
  expect(await idsOf(open)).toEqual([])
})

test('of the same subscription, work that was asynchronous before does not hold up what was asked for before it', async () => {
  const open = await openStore(sqlite(tempFile()))
  const claim = await claimOne(open)
  await open.settle(claim, { work: async () => [] })
  const appending = open.append([message('before')])
  // It would wait for itself if the append was in the same transaction.
  await open.settle(claim, {
    work: async () => {
      await appending
      return []
    },
  })
  expect(await idsOf(open)).toEqual(['before'])
})

test.each(['close', 'open', 'deserialize'])('work cannot %s the connection of the bus', async (name) => {
  const open = await openStore(sqlite(tempFile()))
  const work = (tx: unknown): [] => {
    const method = (tx as Record<string, () => void>)[name]
    method?.()
    return []
  }
  await expect(open.settle(await claimOne(open), { work })).rejects.toThrow('the connection of the bus')
  expect(await open.append([message('a')])).toEqual([true])
})

test.each(['COMMIT', 'ROLLBACK'])(
  'work that ends the transaction by %s is told so, without a cause that there is not',
  async (sql) => {
    const open = await openStore(sqlite(tempFile()))
    const work = (tx: unknown): [] => {
      ;(tx as DatabaseSync).exec(sql)
      return []
    }
    const error: unknown = await open.settle(await claimOne(open), { work }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'STORE_FAILED', message: expect.stringContaining(endedByWork) as string })
    expect(Object.hasOwn(error as Error, 'cause')).toBe(false)
    expect(await open.append([message('a')])).toEqual([true])
  },
)
