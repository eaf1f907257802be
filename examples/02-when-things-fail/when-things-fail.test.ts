import type { DeadLetter, Dispatcher, Outcome } from '@iambus/core'
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bookshop } from './bookshop.ts'
import { BookPaid, OrderPlaced, StatementDue } from './messages.ts'
import { onNotice } from './notices.ts'
import { Mail, Payments, Warehouse } from './outside.ts'
import { Tally } from './tally.ts'

const here = import.meta.dirname
// The tests may run on another Node: the example is for this one.
const node24 = join(here, '../../node_modules/node/bin/node')
const good = '4242424242424242'
const stolen = '4000000000000002'

describe('the program', () => {
  let run: SpawnSyncReturns<string>
  beforeAll(() => {
    run = spawnSync(node24, [join(here, 'main.ts')], { encoding: 'utf8', timeout: 30_000 })
  }, 60_000)

  test('ends by itself, with success', () => {
    expect(run).toMatchObject({ status: 0, signal: null })
  })

  test('prints what is expected', async () => {
    // After a change that is meant: npx vitest run --project product examples/02-when-things-fail -u
    await expect(run.stdout).toMatchFileSnapshot('expected-output.txt')
  })

  test('has nothing to complain about', () => {
    expect(run.stderr).toBe('')
  })
})

describe('the bookshop', () => {
  let dp: Dispatcher
  let outside: { warehouse: Warehouse; payments: Payments; mail: Mail }

  beforeEach(async () => {
    outside = { warehouse: new Warehouse(), payments: new Payments(), mail: new Mail() }
    dp = bookshop(outside)
    await dp.start()
  })
  afterEach(() => dp.stop())

  const order = (fields: { title?: string; price?: string; card?: string } = {}): Promise<Outcome[]> => {
    const emma = { title: 'Emma', author: 'Jane Austen', price: '7.50', customer: 'ada@mail.example', card: good }
    return dp.publish(new OrderPlaced({ order: { ...emma, ...fields } }), { waitForResponse: true })
  }
  const sell = (title: string): Promise<Outcome[]> =>
    dp.publish(new BookPaid({ sale: { title, author: 'Jane Austen', amount: '6.20' } }), {
      key: 'Jane Austen',
      waitForResponse: true,
    })
  const askStatement = (): Promise<Outcome[]> =>
    dp.publish(new StatementDue({ author: 'Jane Austen' }), { key: 'Jane Austen', waitForResponse: true })
  const statements = (): string[] => outside.mail.sent.filter(({ to }) => to === 'Jane Austen').map(({ text }) => text)
  const onlyLetter = async (): Promise<DeadLetter> => {
    const { letters } = await dp.deadLetters.list()
    expect(letters).toHaveLength(1)
    return letters[0] as DeadLetter
  }

  test('sends no statement that leaves out a sale, and afterwards one that has all of them, in order', async () => {
    await order({ title: 'Persuasion' })
    await order({ title: 'Emma', price: '11,50' })
    expect(await sell('Mansfield Park')).toMatchObject([{ status: 'parked', error: { code: 'LANE_PARKED' } }])
    expect(await askStatement()).toMatchObject([{ status: 'parked' }])
    expect(statements()).toEqual([])

    const { id, parked } = await onlyLetter()
    expect(parked).toBe(2)
    const sale = { title: 'Emma', author: 'Jane Austen', amount: '11.50' }
    await dp.deadLetters.editAndReplay(id, () => ({ message: new BookPaid({ sale }) }))
    expect(await askStatement()).toMatchObject([{ status: 'done' }])
    const statement = 'Your sales: 1. Persuasion 750p, 2. Emma 1150p, 3. Mansfield Park 620p.'
    expect(statements()).toEqual([statement, statement])
  })

  test('stays parked when the amount is edited to one that cannot be read either', async () => {
    await order({ price: '11,50' })
    await sell('Mansfield Park')
    const { id } = await onlyLetter()
    const sale = { title: 'Emma', author: 'Jane Austen', amount: 'eleven' }
    const edit = () => ({ message: new BookPaid({ sale }) })
    expect(await dp.deadLetters.editAndReplay(id, edit, { waitForResponse: true })).toMatchObject({ status: 'dead' })
    const letter = await onlyLetter()
    expect(letter).toMatchObject({ id, parked: 1, error: { cause: { message: expect.stringContaining("'eleven'") } } })
    expect(letter.attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1, 2, 3])
  })

  test('keeps no card number, which also means that a replay without a new one is refused', async () => {
    const said: unknown[] = []
    onNotice('dead', ({ envelope, error }) => said.push(envelope.message, error.message, String(error.cause)))
    expect(await order({ card: stolen })).toMatchObject([{ status: 'done' }, { status: 'done' }, { status: 'dead' }])
    const { id, envelope, attempts, error } = await onlyLetter()
    expect(attempts).toMatchObject([{ attempt: 1, error: { code: 'NON_RETRYABLE' } }]) // Of three that it might have had.
    const kept = JSON.stringify([envelope.message, error.message, String(error.cause), said])
    expect(kept).toContain('**** 0002')
    expect(kept).not.toContain(stolen)

    expect(await dp.deadLetters.replay(id, { waitForResponse: true })).toMatchObject([{ status: 'dead' }])
    expect((await onlyLetter()).error.cause).toMatchObject({ message: '**** 0002: not a card number' })
    expect(outside.payments.charged).toEqual([])
  })

  test('charges by the same id in every attempt and in a replay: the service can tell that it has charged already', async () => {
    const ids: string[] = []
    const charge = outside.payments.charge.bind(outside.payments)
    outside.payments.charge = (what) => {
      ids.push(what.id)
      return charge(what)
    }
    outside.payments.awayFor = 1
    await order({ card: stolen })
    const { id } = await onlyLetter()
    await dp.deadLetters.editAndReplay(
      id,
      ({ envelope }) => ({
        message: new OrderPlaced({ order: { ...(envelope.message as OrderPlaced).order, card: good } }),
      }),
      { waitForResponse: true },
    )
    expect(ids).toHaveLength(3)
    expect(new Set(ids).size).toBe(1)
    expect(outside.payments.charged).toEqual([{ id: ids[0], amount: '7.50' }])
  })

  test('tries one handler again, and leaves the others of the same order alone', async () => {
    outside.warehouse.silentFor = 2
    expect(await order()).toMatchObject([{ status: 'done' }, { status: 'done' }, { status: 'done' }])
    expect(outside.mail.sent).toHaveLength(1)
    expect(outside.payments.charged).toHaveLength(1)
    expect(outside.warehouse.reserved).toEqual(['Emma'])
  })

  test('gives up on a warehouse that stays silent, and not on a payment service that stays away', async () => {
    outside.warehouse.silentFor = 3
    outside.payments.awayFor = 3
    expect(await order()).toMatchObject([{ status: 'dead' }, { status: 'done' }, { status: 'done' }])
    expect((await onlyLetter()).handler).toBe('events/reserve-copy')
  })

  test('is counted so that what is dead or parked shows, and what is missing too', async () => {
    const tally = new Tally()
    const sum = (): string | undefined => tally.lines.at(-1)
    await order({ price: '11,50' })
    await sell('Mansfield Park')
    expect(sum()).toBe('5 deliveries were accepted: 3 done, 0 skipped, 1 dead, 1 unaccounted for')
    await dp.deadLetters.discard((await onlyLetter()).id)
    await askStatement()
    expect(sum()).toBe('6 deliveries were accepted: 5 done, 1 skipped, 0 dead, 0 unaccounted for')
  })
})
