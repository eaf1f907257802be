import { Stopped } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Timer } from '../ports/clock.ts'
import type { Engine } from './engine.ts'

/**
 * Lets the engine run what it has, and what that causes, to the end. At the deadline it gives up the rest: signals
 * abort, and each delivery is reported.
 *
 * @param deadlineMs in milliseconds; `Infinity` for as long as it takes.
 */
export async function drain(engine: Engine, deadlineMs: number, observer: Observer): Promise<void> {
  engine.stopping = true
  let timer: Timer | undefined
  const deadline = new Promise<void>((resolve) => {
    if (deadlineMs !== Number.POSITIVE_INFINITY) timer = engine.clock.after(deadlineMs, resolve)
  })
  await Promise.race([engine.census.idle(), deadline])
  timer?.cancel()
  const reason = `stop() reached its deadline of ${deadlineMs} ms`
  for (const delivery of engine.unfinished()) {
    const { type, handler, state } = delivery
    reportUndelivered(delivery, reason, observer)
    const text = `${reason} while '${type}' was ${state} for ${handler}.`
    engine.abandon(delivery, new Stopped(text))
  }
  engine.forgetRunning()
}

function reportUndelivered(
  { envelope, handler, state }: ReturnType<Engine['unfinished']>[number],
  reason: string,
  observer: Observer,
): void {
  if (state === 'waiting' || state === 'running') observer.say('undelivered', { envelope, handler, state, reason })
}

const watched = new Map<Engine, Observer>()

/** Reports, when the process exits without `stop()`, each delivery that only memory held. Gives the end of it. */
export function reportAtExit(engine: Engine, observer: Observer): () => void {
  if (watched.size === 0) process.on('exit', reportAll)
  watched.set(engine, observer)
  return () => {
    watched.delete(engine)
    if (watched.size === 0) process.off('exit', reportAll)
  }
}

function reportAll(): void {
  for (const [engine, observer] of watched) {
    for (const delivery of engine.unfinished()) reportUndelivered(delivery, 'The process exited', observer)
  }
}

/**
 * Stops at the first of these signals, then lets the signal do what it does without us: end the process. A second
 * signal ends it at once.
 *
 * @returns a function that takes the listeners away again.
 */
export function stopOnSignals(signals: readonly NodeJS.Signals[], stop: () => Promise<void>): () => void {
  const forget = (): void => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    forget()
    const resend = (): void => {
      // With other listeners, ending the process is theirs.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    }
    stop().then(resend, resend)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return forget
}
