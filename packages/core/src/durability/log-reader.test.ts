import { beforeEach, expect, test } from 'vitest'
import type { LoggedMessage, OpenStore } from '../ports/store.ts'
import { LogReader, type LogReaderParts, type ReadMessage, type Reading } from './log-reader.ts'

/** Up to which position messages have long texts. */
let large: number
/** Only their positions matter, and how long their texts are. */
const at = (...positions: number[]): LoggedMessage[] =>
  positions.map(
    (position) => ({ position, envelope: '', body: 'x'.repeat(position <= large ? 1_000_000 : 1) }) as LoggedMessage,
  )

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

let log: number[]
/** After which positions the store was asked. */
let asked: number[]
let limits: number[]
let whenAsked: () => void
let reader: LogReader
let had: number[]
let room: number
let reading: Reading & { readPosition: number }

beforeEach(() => {
  log = []
  asked = []
  limits = []
  large = 0
  whenAsked = () => {}
  had = []
  room = 1_000
  const store = {
    read: async (_: number, after: number, limit: number) => {
      asked.push(after)
      limits.push(limit)
      const found = log.filter((position) => position > after).slice(0, limit)
      whenAsked()
      await turns()
      return at(...found)
    },
  } as unknown as OpenStore // Nothing else of it is called.
  reader = new LogReader({ store } as LogReaderParts)
  reading = {
    partition: 0,
    readPosition: 0,
    get room() {
      return room
    },
    offer: (messages: readonly ReadMessage[]) => {
      for (const { stored } of messages) {
        if (stored.position <= reading.readPosition || room === 0) continue
        had.push(stored.position)
        reading.readPosition = stored.position
        room -= 1
      }
    },
  }
  reader.add(reading)
})

async function begun(): Promise<void> {
  reader.begin()
  await turns()
  await turns()
  asked.length = 0
}

function append(...positions: number[]): void {
  reader.appended({ partition: 0, after: (positions[0] as number) - 1, messages: at(...positions) })
}

test('what was appended here is not read', async () => {
  await begun()
  append(1, 2)
  append(3)
  await turns()
  append(4)
  await turns()
  expect([had, asked]).toEqual([[1, 2, 3, 4], []])
})

test('what others have appended before it is read', async () => {
  await begun()
  log = [1, 2, 3]
  append(3)
  await turns()
  await turns()
  expect([had, asked]).toEqual([[1, 2, 3], [0]])
})

test('what others have appended behind it is read when they have said so, whenever they do', async () => {
  await begun()
  append(1)
  reader.wake()
  log = [1, 2]
  await turns()
  await turns()
  expect([had, asked]).toEqual([[1, 2], [1]])
})

test('what comes while the log is read, and is not in what was read, is not lost', async () => {
  await begun()
  whenAsked = () => {
    whenAsked = () => {}
    log = [1, 2]
    append(1)
    reader.wake()
  }
  reader.wake()
  for (let turn = 0; turn < 6; turn += 1) await turns()
  expect(had).toEqual([1, 2])
})

test('what there was no room for is given later, and read only where it is not known any more', async () => {
  await begun()
  room = 2
  append(1, 2, 3)
  log = [1, 2, 3]
  await turns()
  expect(had).toEqual([1, 2])
  room = 2
  reader.wake()
  await turns()
  await turns()
  expect([had, asked]).toEqual([[1, 2, 3], [3]])
})

test('what is appended far ahead of everybody does not take the place of what one of them has next', async () => {
  log = [1, 2, 3]
  room = 1
  reader.begin()
  await turns()
  await turns()
  append(1_000)
  await turns()
  room = 2
  reader.wake()
  await turns()
  await turns()
  expect([had, asked]).toEqual([[1, 2, 3], [0]])
})

test('a page that is not full is the last one: there is no more to read', async () => {
  log = Array.from({ length: 300 }, (_, n) => n + 1)
  reader.begin()
  for (let turn = 0; turn < 6; turn += 1) await turns()
  expect([had.length, asked]).toEqual([300, [0, 32, 96, 224]])
})

test('what is appended to a partition that nobody reads here is not kept', async () => {
  await begun()
  reader.remove(reading)
  append(1)
  reader.add(reading)
  log = [1]
  reader.wake()
  await turns()
  expect(asked).toEqual([0])
})

test('of large messages fewer are read at a time, and of small ones soon many again', async () => {
  log = Array.from({ length: 600 }, (_, n) => n + 1)
  large = 32
  reader.begin()
  while (had.length < log.length) await turns()
  expect(limits.slice(0, 8)).toEqual([32, 5, 9, 16, 32, 64, 128, 256])
  expect(had).toEqual(log)
})
