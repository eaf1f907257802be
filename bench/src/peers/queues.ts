import fastq from 'fastq'
import PQueue from 'p-queue'
import type { Told } from '../messages.ts'

type Handler = (message: Told) => Promise<void>
type Push = (key: string, message: Told) => void

const nothing = (): void => {}

/** A fastq with one worker for each key. */
export function fastqPerKey(handler: Handler): Push {
  const queueOf = perKey(() =>
    fastq((message: Told, done: fastq.done) => {
      const end = (): void => done(null)
      handler(message).then(end, done)
    }, 1),
  )
  return (key, message) => queueOf(key).push(message, nothing)
}

/** A p-queue with a concurrency of one for each key. */
export function pQueuePerKey(handler: Handler): Push {
  const queueOf = perKey(() => new PQueue({ concurrency: 1 }))
  return (key, message) => void queueOf(key).add(() => handler(message))
}

/** A queue for each key, made when first needed, and kept. */
export function perKey<Q>(make: () => Q): (key: string) => Q {
  const queues = new Map<string, Q>()
  return (key) => {
    let queue = queues.get(key)
    if (queue === undefined) queues.set(key, (queue = make()))
    return queue
  }
}
