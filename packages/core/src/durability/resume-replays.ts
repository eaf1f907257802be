import { Failures } from '../engine/failures.ts'
import type { StoredDeadLetter } from '../ports/store.ts'
import type { Feed } from './feed.ts'
import { attemptsOf, storedAttempts } from './stored-failures.ts'
import { ProcessCrashed } from '../store-errors.ts'

const CRASHED = 'PROCESS_CRASHED'

/**
 * Goes on with the replays that were under way, one at a time. Before one runs, its letter says that it has crashed the
 * process: what comes of it takes the place of that. So if the process ends in it, that stands: the letter is dead again, and
 * waits for somebody. Else it would crash the process at each start.
 */
export async function resumeReplays(feed: Feed): Promise<void> {
  const { store, claim, letters, observer, handler, suspects } = feed.parts
  for (const letter of await store.deadLetters.replaying(claim.subscription)) {
    if (letter.partition !== claim.partition || feed.dead.replaying.has(letter.id)) continue
    if (claim.isClean || letter.error !== CRASHED) {
      feed.dead.replaying.add(letter.id)
      suspects.add(feed, (whenLeft) => replayAlone(feed, letter, whenLeft))
      continue
    }
    await store.deadLetters.endReplay(letter.id)
    const { envelope, error } = letters.shown(letter, 0)
    observer.say('dead', { envelope, handler: handler.name, error, letterId: letter.id })
  }
}

function replayAlone(feed: Feed, letter: StoredDeadLetter, whenLeft: () => void): void {
  const { store, letters, journal, handler } = feed.parts
  const { key } = letter.message
  if (key !== undefined && !feed.dead.has(letter.id) && feed.isHeld(key)) {
    // Whoever holds its lane may have to wait until no suspect runs: it must not be waited for as one.
    feed.dead.replay(letter, letters.envelope(letter), {})
    return whenLeft()
  }
  const error = new ProcessCrashed(handler.name, letter.message.type)
  const failures = new Failures(attemptsOf(letter.attempts)).with(error, { isFree: false, atMs: store.now() })
  journal.bury({ ...letter, error: CRASHED, attempts: storedAttempts(failures.attempts), isReplaying: true })
  journal.whenWritten(() => {
    if (feed.isOpen) feed.dead.replay(letter, letters.envelope(letter), { whenLeft })
  })
}
