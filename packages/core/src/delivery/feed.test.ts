import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Dispatcher } from '../dispatcher.ts'
import { defineEvent } from '../message/define.ts'
import { AHEAD } from '../ports/progress.ts'
import type { LoggedMessage, Store } from '../ports/store.ts'
import { sqlite } from '../sqlite/index.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

function tempFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-feed-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'bus.db')
}

/** A store that gives what it has read when `mayGive` is resolved. */
function slowReading(store: Store, mayGive: (messages: readonly LoggedMessage[]) => Promise<void>): Store {
  return {
    ...store,
    open: async (opening) => {
      const open = await store.open(opening)
      const read: typeof open.read = async (...of) => {
        const messages = await open.read(...of)
        await mayGive(messages)
        return messages
      }
      return new Proxy(open, {
        get: (target, name) => {
          if (name === 'read') return read
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
}

test('what is being committed stays in its place until it is, however much is read meanwhile', async () => {
  const path = tempFile()
  const last = AHEAD + 1
  const isRead = Promise.withResolvers<void>()
  const isCommitting = Promise.withResolvers<void>()
  const store = slowReading(sqlite(path), async (messages) => {
    if (messages.at(-1)?.position !== last) return
    isRead.resolve()
    await isCommitting.promise
  })
  const seen: number[] = []
  const all = Promise.withResolvers<void>()
  const others = Promise.withResolvers<void>()
  const busOn = (on: Store): Dispatcher => {
    const dp = new Dispatcher({ store: on, logger: silent })
    dp.events.bind(
      Placed,
      async ({ order }, { context }) => {
        if (order === 1) {
          await isRead.promise
          const committed = context.commit(() => {})
          isCommitting.resolve()
          await committed
        }
        seen.push(order)
        if (seen.length === last - 2) others.resolve()
        if (seen.length === last) all.resolve()
      },
      { name: 'a' },
    )
    return dp
  }
  const first = busOn(store)
  await first.start()
  for (let order = 1; order < last; order += 1) void first.publish(new Placed({ order }))
  await others.promise
  await first.publish(new Placed({ order: last }))
  await all.promise
  await first.stop()
  const second = busOn(sqlite(path))
  await second.start()
  await second.publish(new Placed({ order: last + 1 }), { waitForResponse: true })
  await second.stop()
  expect(seen.filter((order) => order === 1)).toEqual([1])
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: last + 1 }, (_, order) => order + 1))
})
