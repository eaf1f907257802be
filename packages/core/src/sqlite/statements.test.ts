import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { migrate } from './schema.ts'
import { COUNTS, pageOfLetters, SQL } from './statements.ts'

function planned(): (sql: string) => string[] {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  migrate(database, 'a file', undefined)
  return (sql) =>
    database
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row['detail']))
}

const ends = new Set(['begin', 'commit', 'rollback', 'savepoint', 'rollbackTo', 'releaseTo'])
const statements = Object.entries(SQL).filter(([name]) => !ends.has(name))
// How many subscriptions there are is how many handlers: few.
const small = /SCAN (iambus_claim|iambus_subscription|s|c)\b/
// The tail of an index in its order, with a limit, is no scan of the whole.
const first = /^SCAN iambus_delayed USING (COVERING )?INDEX iambus_delayed_due$/

test.each(statements)('the statement %s looks at no more rows than it is about', (_, sql) => {
  const scans = planned()(sql).filter((step) => step.includes('SCAN') && !small.test(step) && !first.test(step))
  expect(scans).toEqual([])
})

test.each(statements)('the statement %s sorts nothing that could be much', (name, sql) => {
  // What is due at the same time is put in the order of the appends.
  const mayBeMuch = (step: string): boolean => step.includes('TEMP B-TREE') && !step.includes('LAST TERM')
  expect([name, planned()(sql).filter(mayBeMuch)]).toEqual([name, []])
})

test('the log is counted by nobody', () => {
  const plans = Object.values(COUNTS).flatMap(planned())
  expect(plans.filter((step) => step.includes('iambus_message'))).toEqual([])
})

test.each([
  [[], 'INTEGER PRIMARY KEY'],
  [['subscription = ?'], 'iambus_dead_letter_subscription'],
  [['id = ?'], 'iambus_dead_letter_message'],
  [['correlation_id = ?'], 'iambus_dead_letter_correlation'],
  [['type = ?', 'died_at >= ?'], 'INTEGER PRIMARY KEY'],
])('a page of dead letters by %j is found by %s, and is in its order by itself', (conditions, index) => {
  const plan = planned()(pageOfLetters(conditions)).join('; ')
  expect(plan).toContain(index)
  expect(plan).not.toMatch(/SCAN|TEMP B-TREE/)
})
