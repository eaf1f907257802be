import { describe, expect, test } from 'vitest'
import { ForeignTransaction } from '../../../src/store-errors.ts'
import { type Isolation, type Library, type LibraryTransaction, Undone, untilUndone } from './library.ts'
import { Placed, type Shop } from './shop.ts'

/** Without looking: the dispatchers of these tests do it once a minute. */
const soon = { timeout: 1_000, interval: 5 }
/** More than there are partitions: whatever order those have, some are met in another one. */
const keys = Array.from({ length: 40 }, (_, n) => `key ${n}`)

/** What is promised of `publish(message, { tx })`, whatever holds the transaction. */
export function outboxCases({ dp, handled, orders }: Shop, library: Library): void {
  const publish = (what: string, tx: object, key = 'key'): Promise<void> =>
    dp.publish(new Placed({ what }), { tx, key })
  const transact = (run: (transaction: LibraryTransaction) => Promise<void>, how: Isolation = 'read committed') =>
    library.transaction(how, run)

  describe(`in a transaction of ${library.title}`, () => {
    test('what is published with rows is there with them, and handled within a second', async () => {
      await transact(async ({ tx, write }) => {
        await write('book')
        await publish('book', tx)
        expect(handled).toEqual([])
      })
      await expect.poll(() => handled, soon).toEqual(['book'])
      expect(await orders()).toEqual(['book'])
    })

    test('what is rolled back never was', async () => {
      await untilUndone(() =>
        transact(async ({ tx, write }) => {
          await write('book')
          await publish('book', tx)
          throw new Undone()
        }),
      )
      await dp.publish(new Placed({ what: 'later' }), { key: 'key' })
      await expect.poll(() => handled, soon).toEqual(['later'])
      expect(await orders()).toEqual([])
    })

    test('messages of a key keep the order in which they were published', async () => {
      const all = Array.from({ length: 10 }, (_, n) => `book ${n}`)
      await transact(async ({ tx }) => {
        for (const what of all) await publish(what, tx)
      })
      await expect.poll(() => handled, soon).toEqual([...all])
    })

    test.each(['before and after', 'after', 'nothing else'])(
      'a savepoint that is gone back to takes only its own, with %s published',
      async (others) => {
        await transact(async ({ tx, write, undone }) => {
          await write('first')
          if (others === 'before and after') await publish('first', tx)
          await undone(async (inner) => {
            await inner.write('undone')
            await publish('undone', inner.tx)
          })
          await write('last')
          if (others !== 'nothing else') await publish('last', tx)
        })
        await dp.publish(new Placed({ what: 'later' }), { key: 'key' })
        const published = { 'before and after': ['first', 'last'], after: ['last'] }[others] ?? []
        await expect.poll(() => handled, soon).toEqual([...published, 'later'])
        expect(await orders()).toEqual(['first', 'last'])
      },
    )

    test('an id used twice is handled once: in one transaction, in two, and outside', async () => {
      const id = `id of ${library.title}`
      await transact(async ({ tx }) => {
        await dp.publish(new Placed({ what: 'once' }), { tx, id, key: 'key' })
        await dp.publish(new Placed({ what: 'twice' }), { tx, id, key: 'key' })
      })
      await transact(({ tx }) => dp.publish(new Placed({ what: 'again' }), { tx, id, key: 'key' }))
      await dp.publish(new Placed({ what: 'outside' }), { id, key: 'key' })
      await dp.publish(new Placed({ what: 'later' }), { key: 'key' })
      await expect.poll(() => handled, soon).toEqual(['once', 'later'])
    })

    test('texts arrive as they are', async () => {
      const what = `'quoted' "twice" $1 ? ?? :name \\ \\\\ \n \u2028 ü 🚲 {} []`
      await transact(({ tx }) => publish(what, tx, what))
      await expect.poll(() => handled, soon).toEqual([what])
    })

    test.each(['repeatable read', 'serializable'] as const)(
      'under %s, what others publish meanwhile is no conflict, and all is handled within a second',
      async (isolation) => {
        await transact(async ({ tx, write }) => {
          await write('book')
          await publish('before', tx)
          await dp.publish(new Placed({ what: 'other' }), { key: 'key' })
          await transact(async (other) => publish('other tx', other.tx))
          await publish('after', tx)
        }, isolation)
        await expect.poll(() => handled, soon).toEqual(['other', 'other tx', 'before', 'after'])
        expect(await orders()).toEqual(['book'])
      },
    )

    test.each(['read committed', 'repeatable read', 'serializable'] as const)(
      'under %s, what is published after a commit comes after it, in a transaction and without',
      async (isolation) => {
        const expected: string[] = []
        for (let n = 0; n < 20; n += 1) {
          await transact(({ tx }) => publish(`${n} in it`, tx), isolation)
          await dp.publish(new Placed({ what: `${n} after it` }), { key: 'key' })
          await transact(({ tx }) => publish(`${n} again`, tx), isolation)
          await transact(({ tx }) => publish(`${n} at last`, tx))
          expected.push(`${n} in it`, `${n} after it`, `${n} again`, `${n} at last`)
        }
        await expect.poll(() => handled, soon).toEqual(expected)
      },
    )

    test.each(['read committed', 'repeatable read'] as const)(
      'under %s, transactions that publish to the same keys in another order do not stop each other',
      async (isolation) => {
        const [first, second] = [turnstile(), turnstile()]
        const run = (order: readonly string[], own: Turnstile, other: Turnstile): Promise<unknown> =>
          transact(async ({ tx }) => {
            for (const [n, key] of order.entries()) {
              if (n === order.length / 2) {
                own.open()
                await other.opened
              }
              await publish(key, tx, key)
            }
          }, isolation)
        await Promise.all([run(keys, first, second), run(keys.toReversed(), second, first)])
        await expect.poll(() => handled.toSorted(), soon).toEqual([...keys, ...keys].toSorted())
      },
    )

    test('one that has published, and is idle, holds up nobody', async () => {
      const [published, mayCommit] = [turnstile(), turnstile()]
      const idle = transact(async ({ tx }) => {
        for (const key of keys) await publish('idle', tx, key)
        published.open()
        await mayCommit.opened
      })
      await published.opened
      for (const key of keys) await dp.publish(new Placed({ what: 'plain' }), { key })
      await transact(async ({ tx }) => {
        for (const key of keys) await publish('other', tx, key)
      })
      await expect.poll(() => handled.length, soon).toBe(2 * keys.length)
      expect(handled).not.toContain('idle')
      mayCommit.open()
      await idle
      await expect.poll(() => handled.length, soon).toBe(3 * keys.length)
    })

    test.each(Object.entries(library.wrong))('%s is refused', async (_, given) => {
      const publishing = async (): Promise<void> => publish('wrong', given() as object)
      await expect(publishing).rejects.toThrow(ForeignTransaction)
      await dp.publish(new Placed({ what: 'later' }), { key: 'key' })
      await expect.poll(() => handled, soon).toEqual(['later'])
    })
  })
}

interface Turnstile {
  readonly opened: Promise<void>
  readonly open: () => void
}

function turnstile(): Turnstile {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  return { opened, open }
}
