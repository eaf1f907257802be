import type { StatementName } from '../../../../src/postgres/statements.ts'
import { FILLED } from './filled.ts'

/** What a statement is given, as literals of SQL, and how many rows of big tables it may look at. */
export interface Asked {
  readonly args: readonly string[]
  readonly rows: number
}

const { kept, partitions, hot } = FILLED
const GROUP = 256
/** The node that asks. */
export const NODE = `'00000000-0000-0000-0000-000000000001'`
const LEASE = '15000'
const DAY = '86400000'

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
const list = (values: readonly unknown[]): string => text(`{${values.join(',')}}`)
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

const everyPartition = numbers(partitions)
/** A claim of the second subscription for each partition. */
const claims = { subscriptions: list(everyPartition.map(() => 2)), partitions: list(everyPartition) }
const epochs = list(everyPartition.map(() => 0))
const all = (value: unknown): string => list(everyPartition.map(() => value))

/** Messages, so many to each partition. */
function messages(more: (n: number) => object = () => ({})): string {
  const rows = numbers(GROUP).map((n) => {
    const placed = { n, partition: n % partitions, nth: Math.floor(n / partitions) + 1 }
    return { ...placed, id: `new-${n}`, type: 't', key: 'k', time: 0, envelope: '{}', body: '{}', crc: 0, ...more(n) }
  })
  return text(JSON.stringify(rows))
}

const placed = [messages(), list(everyPartition), all(GROUP / partitions)]
const advances = [claims.subscriptions, claims.partitions, epochs, all(kept), all(kept), all('x'), NODE, '1']

const exceptions = numbers(GROUP).map((n) => {
  return { subscription: 2, partition: n % partitions, position: kept + 1 + Math.floor(n / partitions) }
})
/** A page of them. */
const letters = list(numbers(100).map((n) => `letter-${n + 1}`))
const letter = {
  subscription: 'events/b',
  partition: 0,
  id: 'm',
  type: 't',
  key: 'k',
  time: 0,
  envelope: '{}',
  body: '{}',
  crc: 0,
  correlation_id: 'c',
  error: '',
  attempts: '[]',
  died_at: 0,
  is_replaying: false,
}
const pages = [list(everyPartition), all(kept), all(GROUP)]
const page = partitions * GROUP

/** All that is run while a bus is at work; what each is given is what a busy node gives it. */
export const HOT_PATH: Partial<Record<StatementName, Asked>> = {
  append: {
    args: [messages((n) => ({ repeats: true, due_at: n % 2 === 0 ? 1 : null })), DAY, `'250ms'`],
    rows: 2 * GROUP,
  },
  appendPlain: { args: placed, rows: 0 },
  publish: { args: [messages(() => ({ repeats: true })), DAY], rows: 2 * GROUP },
  read: { args: pages, rows: page },
  readArchived: { args: pages, rows: 2 * page },
  readAt: { args: [String(hot), list(numbers(GROUP).map((n) => kept + 1 + 100 * n))], rows: GROUP },
  readArchivedAt: { args: [String(hot), list(numbers(GROUP).map((n) => 1 + 100 * n))], rows: 2 * GROUP },
  members: { args: [], rows: 0 },
  claim: { args: [claims.subscriptions, claims.partitions, all(true), NODE, LEASE], rows: 0 },
  ranges: { args: [claims.subscriptions, claims.partitions], rows: 0 },
  // Those of both subscriptions in the partition.
  exceptions: { args: ['2', String(hot)], rows: 2 * FILLED.exceptions },
  renew: { args: [NODE, LEASE, claims.subscriptions, claims.partitions, epochs, `'{2}'`], rows: 0 },
  release: { args: [claims.subscriptions, claims.partitions, epochs, NODE], rows: 0 },
  leave: { args: [NODE], rows: 0 },
  advance: { args: advances, rows: 0 },
  advanceAtOnce: { args: advances, rows: 0 },
  settleAtOnce: { args: [...placed, ...advances], rows: 0 },
  fence: { args: ['2', '0', '0', NODE, '1'], rows: 0 },
  except: { args: [text(JSON.stringify(exceptions.map((one) => ({ ...one, state: 'retrying' }))))], rows: 0 },
  clear: {
    args: [
      list(exceptions.map(() => 2)),
      list(exceptions.map(({ partition }) => partition)),
      list(exceptions.map((_, n) => kept - 1 - Math.floor(n / partitions))),
    ],
    rows: 2 * GROUP,
  },
  poll: { args: [NODE], rows: 2 },
  sleep: { args: [NODE, 'true'], rows: 0 },
  notifyAsleep: { args: [`'channel'`, `''`, NODE], rows: 0 },
  placeCommitted: { args: [`'channel'`, `''`, `'{}'`], rows: 0 },
  // A thousand of each partition, and for each whether it has an exception.
  prune: { args: ['1000'], rows: 3 * 1_000 * partitions },
  pruneOld: { args: ['1000', DAY], rows: 3 * partitions },
  archive: { args: ['1000'], rows: 3 * 1_000 * partitions },
  pruneCleared: { args: ['1000'], rows: 0 },
  archiveCleared: { args: ['1000'], rows: 0 },
  forgetSeen: { args: ['1000'], rows: 2_000 },
  seeSubscriptions: { args: [], rows: 0 },
  forgetMembers: { args: ['1500000'], rows: 0 },
  appendDue: { args: ['256'], rows: 2 },
  cancel: { args: [`'delayed-7'`], rows: 3 },
  letter: { args: [`'letter-7'`], rows: 1 },
  existingLetters: { args: [letters], rows: GROUP },
  replaying: { args: [`'events/b'`], rows: 2 },
  beginReplay: { args: [`'letter-7'`], rows: 2 },
  endReplay: { args: [`'letter-7'`], rows: 2 },
  removeLetters: { args: [letters], rows: 2 * GROUP },
  revive: { args: [letters], rows: 2 * GROUP },
  bury: { args: [text(JSON.stringify(numbers(GROUP).map((n) => ({ n, letter_id: `new-${n}`, ...letter }))))], rows: 0 },
}
