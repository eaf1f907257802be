import { prepare, type SqliteDatabase, type SqliteStatement } from './handle.ts'

const content = 'id, type, key, time, envelope, body, crc'
const logged = `position, ${content}`
const letter = `seq, letter_id, subscription, partition, ${content}, correlation_id, error, attempts, died_at, is_replaying`

const last = '(SELECT max(position) FROM iambus_message)'

/**
 * What is known of the log. A transaction that only appends does not write its row: that would be a page more on the disk. What
 * it has changed is seen by the last message.
 */
export const LOG: string = `SELECT max(tail, ifnull(${last}, 0)) AS tail,
  max(clock, ifnull((SELECT time FROM iambus_message WHERE position = ${last}), 0)) AS clock,
  pruned, messages + max(0, ifnull(${last}, 0) - tail) AS messages, turn FROM iambus_log WHERE id = 1`

/** The finished messages of a range: those that no exception refers to. */
const finished = `position > ? AND position <= ?
  AND position NOT IN (SELECT position FROM iambus_exception WHERE position > ? AND position <= ?)`
const freed = 'position = ? AND NOT EXISTS (SELECT 1 FROM iambus_exception WHERE position = ?)'

/**
 * All that is ever run after the opening, prepared once. Parameters are plain question marks: `node:sqlite` takes numbered
 * ones for named.
 */
export const SQL: Readonly<Record<StatementName, string>> = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  savepoint: 'SAVEPOINT iambus_operation',
  rollbackTo: 'ROLLBACK TO iambus_operation',
  releaseTo: 'RELEASE iambus_operation',

  dataVersion: 'PRAGMA data_version',
  log: LOG,
  writeLog: 'UPDATE iambus_log SET tail = ?, clock = ?, pruned = ?, messages = ?, turn = ? WHERE id = 1',

  append: `INSERT INTO iambus_message (${logged}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  read: `SELECT ${logged} FROM iambus_message WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
  readArchived: `SELECT ${logged} FROM iambus_message WHERE position > ? AND position <= ?
    UNION ALL SELECT ${logged} FROM iambus_archive WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
  readOne: `SELECT ${logged} FROM iambus_message WHERE position = ?`,
  readOneArchived: `SELECT ${logged} FROM iambus_archive WHERE position = ?`,
  floor: 'SELECT min(cursor) AS floor FROM iambus_claim',
  times: 'SELECT position, time FROM iambus_message WHERE position > ? AND position <= ? ORDER BY position',
  prune: `DELETE FROM iambus_message WHERE ${finished}`,
  archive: `INSERT OR IGNORE INTO iambus_archive (${logged}) SELECT ${logged} FROM iambus_message WHERE ${finished}`,
  pruneOne: `DELETE FROM iambus_message WHERE ${freed}`,
  archiveOne: `INSERT OR IGNORE INTO iambus_archive (${logged}) SELECT ${logged} FROM iambus_message WHERE ${freed}`,

  see: 'INSERT INTO iambus_seen (id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING',
  seeAgain: 'UPDATE iambus_seen SET expires_at = ? WHERE id = ? AND expires_at <= ?',
  seenAfter: 'SELECT id FROM iambus_seen WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?',
  forgetExpired: 'DELETE FROM iambus_seen WHERE id > ? AND id <= ? AND expires_at <= ?',
  forgetSeen: 'DELETE FROM iambus_seen WHERE id = ?',

  delay: `INSERT INTO iambus_delayed (due_at, ${content}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  nextDue: 'SELECT due_at FROM iambus_delayed ORDER BY due_at LIMIT 1',
  due: `SELECT seq, ${content} FROM iambus_delayed WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?`,
  undelay: 'DELETE FROM iambus_delayed WHERE seq = ?',
  cancel: 'DELETE FROM iambus_delayed WHERE id = ?',

  claim:
    'SELECT epoch, cursor, reach, finished, is_clean, is_held FROM iambus_claim WHERE subscription = ? AND partition = 0',
  writeClaim: 'UPDATE iambus_claim SET cursor = ?, reach = ?, finished = ? WHERE subscription = ? AND partition = 0',
  takeClaim:
    'UPDATE iambus_claim SET epoch = epoch + 1, is_clean = 0, is_held = 1 WHERE subscription = ? AND partition = 0',
  releaseClaim: 'UPDATE iambus_claim SET is_clean = 1, is_held = 0 WHERE subscription = ? AND partition = 0',
  ranges: 'SELECT type, after, up_to FROM iambus_subscription_type WHERE subscription = ? ORDER BY type, after',

  exceptions: `SELECT position, key, state, due_at, note FROM iambus_exception
    WHERE subscription = ? ORDER BY position`,
  except: `INSERT INTO iambus_exception (subscription, position, key, state, due_at, note) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (subscription, position) DO UPDATE
    SET key = excluded.key, state = excluded.state, due_at = excluded.due_at, note = excluded.note`,
  unexcept: 'DELETE FROM iambus_exception WHERE subscription = ? AND position = ?',

  letter: `SELECT ${letter} FROM iambus_dead_letter WHERE letter_id = ?`,
  hasLetter: 'SELECT 1 FROM iambus_dead_letter WHERE letter_id = ?',
  bury: `INSERT INTO iambus_dead_letter (letter_id, subscription, partition, ${content}, correlation_id, error, attempts,
    died_at, is_replaying) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  revive: 'DELETE FROM iambus_dead_letter WHERE letter_id = ?',
  removeLetter: 'DELETE FROM iambus_dead_letter WHERE letter_id = ? AND is_replaying = 0',
  beginReplay: 'UPDATE iambus_dead_letter SET is_replaying = 1 WHERE letter_id = ? AND is_replaying = 0',
  editLetter: `UPDATE iambus_dead_letter SET id = ?, type = ?, key = ?, time = ?, envelope = ?, body = ?, crc = ?
    WHERE letter_id = ?`,
  endReplay: 'UPDATE iambus_dead_letter SET is_replaying = 0 WHERE letter_id = ?',
  replaying: `SELECT ${letter} FROM iambus_dead_letter WHERE subscription = ? AND is_replaying = 1 ORDER BY seq`,

  scheduled: 'SELECT due_at FROM iambus_schedule WHERE name = ?',
  schedule: `INSERT INTO iambus_schedule (name, due_at) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at`,
  unschedule: 'DELETE FROM iambus_schedule WHERE name = ?',
}

/** What `stats` counts. Of the log, the number is kept in its row: to count a million rows takes a while. */
export const COUNTS: Readonly<Record<'delayed' | 'deadLetters' | 'subscriptions', string>> = {
  delayed: 'SELECT count(*) AS count FROM iambus_delayed',
  deadLetters: 'SELECT count(*) AS count FROM iambus_dead_letter',
  subscriptions: `SELECT s.name, c.cursor,
      (SELECT count(*) FROM iambus_exception e WHERE e.subscription = s.id) AS exceptions
    FROM iambus_subscription s JOIN iambus_claim c ON c.subscription = s.id AND c.partition = 0 ORDER BY s.id`,
}

export type Statements = Readonly<Record<StatementName, SqliteStatement>>

/** Those that read what is in the log: many rows, each a {@link LoggedRow}. */
const reading: ReadonlySet<string> = new Set<StatementName>(['read', 'readArchived', 'readOne', 'readOneArchived'])

export function prepareAll(database: SqliteDatabase): Statements {
  const prepared = Object.entries(SQL).map(([name, sql]) => {
    return [name, prepare(database, sql, reading.has(name) ? 'arrays' : 'objects')] as const
  })
  // The keys are those of SQL.
  return Object.fromEntries(prepared) as unknown as Statements
}

/** The statement for a page of dead letters: one for each set of conditions, each of the form `column = ?`. */
export function pageOfLetters(conditions: readonly string[]): string {
  const where = ['seq > ?', ...conditions].join(' AND ')
  return `SELECT ${letter} FROM iambus_dead_letter WHERE ${where} ORDER BY seq LIMIT ?`
}

/** The names of the statements above. */
export type StatementName =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'rollbackTo'
  | 'releaseTo'
  | 'dataVersion'
  | 'log'
  | 'writeLog'
  | 'append'
  | 'read'
  | 'readArchived'
  | 'readOne'
  | 'readOneArchived'
  | 'floor'
  | 'times'
  | 'prune'
  | 'archive'
  | 'pruneOne'
  | 'archiveOne'
  | 'see'
  | 'seeAgain'
  | 'seenAfter'
  | 'forgetExpired'
  | 'forgetSeen'
  | 'delay'
  | 'nextDue'
  | 'due'
  | 'undelay'
  | 'cancel'
  | 'claim'
  | 'writeClaim'
  | 'takeClaim'
  | 'releaseClaim'
  | 'ranges'
  | 'exceptions'
  | 'except'
  | 'unexcept'
  | 'letter'
  | 'hasLetter'
  | 'bury'
  | 'revive'
  | 'removeLetter'
  | 'beginReplay'
  | 'editLetter'
  | 'endReplay'
  | 'replaying'
  | 'scheduled'
  | 'schedule'
  | 'unschedule'
