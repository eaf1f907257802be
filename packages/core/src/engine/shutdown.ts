import type { Timer } from '../ports/clock.ts'
import type { Engine } from './engine.ts'

/**
 * Lets the engine run what it has, and what that causes, to the end; what waits for its next attempt is given up at once.
 * At the deadline it gives up the rest: signals abort, and each delivery is reported. What is parked is reported, and stays.
 *
 * @param deadlineMs in milliseconds; `Infinity` for as long as it takes.
 * @param written resolves when what has ended is written, where it is kept: that may have caused more.
 */
export async function drain(engine: Engine, deadlineMs: number, written?: () => Promise<void>): Promise<void> {
  engine.stopping = true
  engine.held.stopRetrying()
  engine.leaveKept()
  let timer: Timer | undefined
  const deadline = new Promise<void>((resolve) => {
    if (deadlineMs !== Number.POSITIVE_INFINITY) timer = engine.clock.after(deadlineMs, resolve)
  })
  await Promise.race([written === undefined ? engine.census.idle() : idle(engine, written), deadline])
  timer?.cancel()
  engine.stopped = true
  const reason = `stop() reached its deadline of ${deadlineMs} ms`
  for (const delivery of engine.unfinished()) {
    engine.giveUpAtStop(delivery, delivery.state === 'parked' ? 'The dispatcher stopped' : reason)
  }
  engine.held.freeRetrying()
  engine.forgetRunning()
}

async function idle({ census }: Engine, written: () => Promise<void>): Promise<void> {
  do {
    await census.idle()
    await written()
  } while (census.inFlight > 0)
}

const watched = new Map<Engine, (reason: string) => void>()

/**
 * Reports, when the process exits without `stop()`, each delivery that only memory held.
 *
 * @param others reports what else it held.
 */
export function reportAtExit(engine: Engine, others: (reason: string) => void): void {
  if (watched.size === 0) process.on('exit', reportAll)
  watched.set(engine, others)
}

/** It has stopped, and nothing is left to report. */
export function forgetAtExit(engine: Engine): void {
  if (watched.delete(engine) && watched.size === 0) process.off('exit', reportAll)
}

function reportAll(): void {
  const reason = 'The process exited'
  for (const [engine, reportOthers] of watched) {
    for (const delivery of engine.unfinished()) {
      if (delivery.rest?.kept === undefined) engine.sayStopped(delivery, reason)
    }
    reportOthers(reason)
    engine.flushNotices()
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
