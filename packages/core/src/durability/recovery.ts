import { Delivery } from '../engine/delivery.ts'
import { Failures } from '../engine/failures.ts'
import type { Kept } from '../engine/kept.ts'
import type { Exception } from '../ports/store.ts'
import type { Feed } from './feed.ts'
import type { ReadMessage } from './log-reader.ts'
import { resumeReplays } from './resume-replays.ts'
import { failuresOf } from './stored-failures.ts'
import { hasWaited } from './unknown-messages.ts'
import { weightOf } from './weight.ts'

/** How many messages are brought back at a time. */
const PAGE = 256

/**
 * Brings back what a claim has left from before: what is retrying, dead in its lane, set aside, and suspect. Of what is set
 * aside only the positions come into memory.
 *
 * @returns how many are suspect: they were started, and the process ended.
 */
export async function recover(feed: Feed): Promise<number> {
  const { store, claim } = feed.parts
  const stored = await store.exceptions(claim)
  const exceptions = [...stored, ...(claim.isClean ? await overtaken(feed, stored) : await interrupted(feed))]
  exceptions.sort((a, b) => a.position - b.position)
  // The head of a lane first: what is aside waits behind it.
  for (const dead of exceptions.filter(({ state }) => state === 'dead')) await resumeDead(feed, dead)
  const retrying = exceptions.filter(({ state }) => state === 'retrying')
  for (let first = 0; first < retrying.length; first += PAGE) {
    await resumeRetrying(feed, retrying.slice(first, first + PAGE))
  }
  let suspects = 0
  for (const { position, key, state: given, note } of exceptions) {
    if (given === 'retrying' || given === 'dead') continue
    // What was given back in order has crashed nothing. It runs alone all the same: it may be suspect from before.
    const state = given === 'alone' && claim.isClean ? 'started' : given
    if (state !== 'aside' && !claim.isClean) suspects += 1
    if (key === undefined) feed.refill.alone(undefined, { position, state, note })
    else feed.aside.add(key, { position, state, note })
  }
  await resumeReplays(feed)
  feed.refill.all()
  return suspects
}

/** What was reached, and is not finished: since the claim was not given back in order, it may have been started. */
async function interrupted(feed: Feed): Promise<Exception[]> {
  const { journal, reader } = feed.parts
  const unfinished = journal.progress.unfinished()
  const messages = unfinished.length === 0 ? [] : await reader.at(feed.partition, unfinished)
  const found = messages.filter(({ stored }) => feed.takes(stored)).map((message) => exceptionOf(message, 'started'))
  for (const exception of found) journal.except(exception)
  for (const position of unfinished) if (!journal.progress.isFinished(position)) journal.done([position, position])
  return found
}

/** What was waiting, and had not started, when later ones of its key were set aside: those are not to be read before it. */
async function overtaken(feed: Feed, exceptions: readonly Exception[]): Promise<Exception[]> {
  const { journal, reader } = feed.parts
  const keys = new Set(exceptions.filter(({ state }) => state !== 'retrying' && state !== 'dead').map(({ key }) => key))
  const unfinished = keys.size === 0 ? [] : journal.progress.unfinished()
  const messages = unfinished.length === 0 ? [] : await reader.at(feed.partition, unfinished)
  const found = messages
    .filter(({ stored }) => stored.key !== undefined && keys.has(stored.key) && feed.takes(stored))
    .map((message) => exceptionOf(message, 'aside'))
  for (const exception of found) journal.except(exception)
  return found
}

function exceptionOf({ stored: { position, key } }: ReadMessage, state: 'started' | 'aside'): Exception {
  return { position, key, state, dueAt: undefined, note: undefined }
}

async function resumeRetrying(feed: Feed, exceptions: readonly Exception[]): Promise<void> {
  const { store, reader, journal, handler, engine } = feed.parts
  const messages = await reader.at(
    feed.partition,
    exceptions.map(({ position }) => position),
  )
  const byPosition = new Map<number, ReadMessage>(messages.map((message) => [message.stored.position, message]))
  for (const { position, dueAt = 0, note } of exceptions) {
    const message = byPosition.get(position)
    if (message === undefined) {
      journal.clear(position) // It was erased.
      continue
    }
    const kept: Kept = { keeper: feed.keeper, position, stored: message.stored, isException: true }
    const failures = note === undefined ? new Failures() : failuresOf(note)
    const delivery = feed.deliveryOf(message, kept, failures)
    const { key } = delivery
    if (key !== undefined && handler.lanes.of(key) !== undefined) {
      // A handler from before the stop still has the lane: it starts when that ends, and nobody says so then.
      feed.window.enter(key, kept)
      journal.except({ position, key, state: 'started', dueAt: undefined, note })
      journal.whenWritten(() => {
        feed.submit(delivery)
        engine.pump()
      })
    } else {
      feed.retrying += weightOf(message.stored)
      // What has only waited for a node that can read it is due now.
      const isDue = hasWaited(failures) && !kept.isUnreadable
      engine.held.hold(delivery, isDue ? 0 : Math.max(0, dueAt - store.now()))
    }
  }
}

async function resumeDead(feed: Feed, { position, note: id = '' }: Exception): Promise<void> {
  const { store, journal, letters, engine, handler } = feed.parts
  const letter = await store.deadLetters.get(id)
  if (letter === undefined) return journal.clear(position)
  const envelope = letters.envelope(letter)
  const dead = new Delivery(handler, envelope.message, envelope, undefined)
  dead.rest = { letter: id, kept: { keeper: feed.keeper, position, isException: true } }
  feed.dead.add(id, dead)
  engine.held.holdDead(dead)
}
