import type { Sql } from '../statements.ts'

const columns = `seq, letter_id, subscription, partition, id, type, key, time, envelope, body, crc, correlation_id, error, attempts,
  died_at, is_replaying`

/** Runs a statement that gives the ids of the letters that it changes: if there are some, the others look at them. */
const telling = (schema: string, statement: string): string => `WITH letter AS (${statement} RETURNING letter_id),
changed AS (UPDATE ${schema}.change SET count = count + 1 WHERE what = 'letters' AND EXISTS (SELECT FROM letter))
SELECT letter_id FROM letter`

/** Parameter: the id of the letter. */
export const letter: Sql = (schema) => `SELECT ${columns} FROM ${schema}.dead_letter WHERE letter_id = $1`

/** Those that there are. Parameter: ids. */
export const existingLetters: Sql = (schema) =>
  `SELECT letter_id FROM ${schema}.dead_letter WHERE letter_id = ANY($1::text[])`

/** A page, in the order of the deaths. The conditions are of the form `column = $n`. */
export const lettersWhere = (schema: string, conditions: readonly string[], limit: string): string =>
  `SELECT ${columns} FROM ${schema}.dead_letter WHERE ${conditions.join(' AND ')} ORDER BY seq LIMIT ${limit}`

/** Parameter: the subscription. */
export const replaying: Sql = (schema) =>
  `SELECT ${columns} FROM ${schema}.dead_letter WHERE subscription = $1 AND is_replaying ORDER BY seq`

/** Parameter: the id of the letter. */
export const beginReplay: Sql = (schema) =>
  telling(schema, `UPDATE ${schema}.dead_letter SET is_replaying = true WHERE letter_id = $1 AND NOT is_replaying`)

/** The same, with another message. Parameters: the id of the letter, and what its message is now. */
export const beginEditedReplay: Sql = (schema) =>
  telling(
    schema,
    `UPDATE ${schema}.dead_letter
  SET is_replaying = true, id = $2, type = $3, key = $4, time = $5, envelope = $6, body = $7, crc = $8
  WHERE letter_id = $1 AND NOT is_replaying`,
  )

export const endReplay: Sql = (schema) => `UPDATE ${schema}.dead_letter SET is_replaying = false WHERE letter_id = $1`

/** Removes those that are not being replayed. Parameter: their ids. */
export const removeLetters: Sql = (schema) =>
  telling(schema, `DELETE FROM ${schema}.dead_letter WHERE letter_id = ANY($1::text[]) AND NOT is_replaying`)
