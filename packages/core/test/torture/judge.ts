import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { sqlite } from '../../src/sqlite/index.ts'
import { type Entry, readLedger } from './ledger.ts'

interface Effect {
  readonly handler: string
  readonly id: string
  readonly key: string | null
  readonly seq: number
}

interface Letter {
  readonly subscription: string
  readonly id: string
  readonly error: string
  readonly attempts: string
}

type Start = Extract<Entry, { is: 'start' }>
type Published = Extract<Entry, { is: 'published' }>

export interface Judgement {
  /** What was promised, and is not so. */
  readonly broken: readonly string[]
  readonly published: number
  readonly starts: number
  readonly effects: number
  readonly deadLetters: number
}

/** Which handlers take a piece of work; those that commit have an effect for each. */
const handlers = ['commits', 'plain', 'parks', 'causes', 'slow', 'crashes'].map((name) => `events/${name}`)
const committing = ['commits', 'parks', 'slow', 'crashes', 'later'].map((name) => `events/${name}`)

/** Whose messages are caused by a piece of work, and have its `seq`. */
const causedOnes = ['events/caused', 'events/later']

/** Whose messages come once for each `seq`, with whatever id: a tick has its due time. */
const oncePerSeq = new Set([...causedOnes, 'events/ticks'])

/** Holds what was written down against what is in the file at the end. */
export async function judge(folder: string): Promise<Judgement> {
  const entries = readLedger(join(folder, 'ledger'))
  const path = join(folder, 'bus.db')
  const database = new DatabaseSync(path)
  // The columns are those of the types: `program.ts` makes the one table, `sqlite/schema.ts` the other.
  const effects = database
    .prepare('SELECT handler, id, key, seq FROM effects ORDER BY place')
    .all() as unknown as Effect[]
  const letters = database.prepare('SELECT * FROM iambus_dead_letter').all() as unknown as Letter[]
  database.close()
  const published = entries.filter((entry) => entry.is === 'published')
  const starts = entries.filter((entry) => entry.is === 'start')
  const broken = [
    ...entries.flatMap((entry) => (entry.is === 'alarm' ? [`There was a notice: ${entry.text}`] : [])),
    ...lost({ published, entries, effects, letters }),
    ...repeated(effects, letters),
    ...uncaused(published, effects),
    ...startedAfterTheEnd(entries),
    ...overtaken('ran first', firstOfEach(starts)),
    ...overtaken('was committed', effects),
    ...sideBySide(entries),
    ...wronglyDead(letters, starts),
    ...(await left(path)),
  ]
  return {
    broken,
    published: published.length,
    starts: starts.length,
    effects: effects.length,
    deadLetters: letters.length,
  }
}

const at = ({ handler, id }: { handler: string; id: string }): string => `${id} at ${handler}`

/** Each publication that was resolved was handled by each handler, or is a dead letter; what commits has its effect. */
function lost(of: { published: Published[]; entries: Entry[]; effects: Effect[]; letters: Letter[] }): string[] {
  const ended = new Set(of.entries.flatMap((entry) => (entry.is === 'end' && entry.ok ? [at(entry)] : [])))
  const committed = new Set(of.effects.map(at))
  const dead = new Set(of.letters.map(({ subscription, id }) => at({ handler: subscription, id })))
  return of.published.flatMap(({ id }) =>
    (id.startsWith('later') ? ['events/later'] : handlers).flatMap((handler) => {
      const where = at({ handler, id })
      if (dead.has(where)) return []
      if (committing.includes(handler) && !committed.has(where)) return [`${where} was published, and has no effect.`]
      return ended.has(where) || committed.has(where) ? [] : [`${where} was published, and not handled.`]
    }),
  )
}

/** An effect is there once, and not where the delivery is dead; what one delivery, or a due time, has caused is there once. */
function repeated(effects: readonly Effect[], letters: readonly Letter[]): string[] {
  const dead = new Set(letters.map(({ subscription, id }) => at({ handler: subscription, id })))
  const seen = new Set<string>()
  return effects.flatMap((effect) => {
    const { handler, seq } = effect
    const where = oncePerSeq.has(handler) ? at({ handler, id: `what ${seq} caused` }) : at(effect)
    if (seq < 0) return ['A failed attempt has caused something.']
    if (dead.has(at(effect))) return [`${where} is dead, and has an effect.`]
    if (seen.has(where)) return [`${where} has two effects.`]
    seen.add(where)
    return []
  })
}

/** What the handler `causes` has done has caused what it was to cause. */
function uncaused(published: readonly Published[], effects: readonly Effect[]): string[] {
  const found = new Set(effects.map(({ handler, seq }) => `${handler} ${seq}`))
  return published.flatMap(({ id, seq }) => {
    const expected = id.startsWith('later') ? [] : seq % 5 === 0 ? causedOnes : causedOnes.slice(0, 1)
    return expected
      .filter((handler) => !found.has(`${handler} ${seq}`))
      .map((handler) => `${id} has caused nothing for ${handler}.`)
  })
}

function startedAfterTheEnd(entries: readonly Entry[]): string[] {
  const settled = new Set<string>()
  return entries.flatMap((entry) => {
    if (entry.is === 'settled') settled.add(at(entry))
    return entry.is === 'start' && settled.has(at(entry)) ? [`${at(entry)} started again after it was settled.`] : []
  })
}

function firstOfEach(starts: readonly Start[]): Start[] {
  return [...new Map(starts.toReversed().map((start) => [at(start), start])).values()].reverse()
}

/** Those of a handler and key are in the order of their publication. */
function overtaken(what: string, rows: readonly Effect[]): string[] {
  const latest = new Map<string, Effect>()
  return rows.flatMap((row) => {
    if (row.key === null) return []
    const lane = `${row.handler} ${row.key}`
    const before = latest.get(lane)
    latest.set(lane, row)
    return before !== undefined && before.seq >= row.seq ? [`${lane}: ${row.seq} ${what} after ${before.seq}.`] : []
  })
}

/** Within a process, those of a handler and key run one after the other. */
function sideBySide(entries: readonly Entry[]): string[] {
  let running = new Map<string, Start>()
  return entries.flatMap((entry) => {
    if (entry.is === 'opening') running = new Map()
    if (entry.is === 'end') {
      const lane = [...running].find(([, start]) => at(start) === at(entry))?.[0]
      if (lane !== undefined) running.delete(lane)
    }
    if (entry.is !== 'start' || entry.key === null) return []
    const lane = `${entry.handler} ${entry.key}`
    const other = running.get(lane)
    running.set(lane, entry)
    return other === undefined ? [] : [`${lane}: ${entry.seq} started while ${other.seq} ran.`]
  })
}

/** Dead is what said so, and what has crashed the process three times, or was there alone when that was killed. */
function wronglyDead(letters: readonly Letter[], starts: readonly Start[]): string[] {
  return letters.flatMap(({ subscription, id, error, attempts }) => {
    const where = at({ handler: subscription, id })
    if (subscription !== 'events/crashes') return error === 'NON_RETRYABLE' ? [] : [`${where} died of ${error}.`]
    const errors = (JSON.parse(attempts) as { error: { code?: string } }[]).map(({ error: { code } }) => code)
    if (errors.some((code) => code !== 'PROCESS_CRASHED') || errors.length !== 3) {
      return [`${where} died of ${errors.join(', ')}.`]
    }
    const count = starts.filter((start) => at(start) === where).length
    // Once beside others, then three times alone.
    return count > 4 ? [`${where} was started ${count} times.`] : []
  })
}

async function left(path: string): Promise<string[]> {
  const store = await sqlite(path).open({
    service: 'torture',
    subscriptions: [],
    clock: { now: () => Date.now(), after: () => ({ cancel: () => {} }) },
    wake: () => {},
  })
  const { messages, delayed, subscriptions } = await store.stats()
  const found = store.findings.flatMap((finding) => (finding.kind === 'lost' ? [finding.text] : []))
  await store.close()
  if (messages > 0) found.push(`${messages} messages are left in the log.`)
  if (delayed > 0) found.push(`${delayed} delayed messages are left.`)
  for (const { name, behind, exceptions } of subscriptions) {
    if (behind + exceptions > 0) found.push(`${name} is ${behind} behind, with ${exceptions} exceptions.`)
  }
  return found
}
