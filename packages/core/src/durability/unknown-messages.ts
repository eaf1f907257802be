import { Failures } from '../engine/failures.ts'
import { CodecError } from '../errors.ts'
import type { Lack } from '../ports/share.ts'
import type { OpenStore, StoredMessage, Subscription } from '../ports/store.ts'
import { errorName } from './stored-failures.ts'

/** What is said of a message that another release of the program may know. */
const codes: ReadonlySet<string> = new Set(['UNKNOWN_TYPE', 'UNKNOWN_VERSION', 'TYPE_REMOVED'])

interface UnknownParts {
  readonly store: OpenStore
  /** What this node knows. */
  readonly subscription: Subscription
  /** To be called with what this node does not know, and another one may. */
  readonly lacks: (lack: Lack) => void
}

/** Messages of a claim that this node cannot read, and another release of the program may: they wait for a node that has it. */
export class UnknownMessages {
  readonly #parts: UnknownParts
  /** When each type, in each version, was met first. */
  readonly #metAt = new Map<string, number>()

  constructor(parts: UnknownParts) {
    this.#parts = parts
  }

  /**
   * For how long a message is to wait: from when it was published, or its like was met first. So those that wait behind each
   * other, having one key, wait together.
   *
   * @param fault why it cannot be read here.
   * @returns `undefined` where it does not, since nobody could come, or nobody came.
   */
  waitMs(message: StoredMessage, fault: Error): number | undefined {
    const { store, subscription, lacks } = this.#parts
    const { unknownTypeMs } = store
    if (unknownTypeMs === undefined || !(fault instanceof CodecError) || !codes.has(fault.code)) return undefined
    const lack = lackOf(message, subscription)
    // It is of an older version, of which its class says nothing; or something is inside it of which no node has told.
    if (lack === undefined && fault.path === '') return undefined
    if (lack !== undefined) lacks(lack)
    const name = `${lack?.version} ${message.type}`
    const now = store.now()
    const metAt = this.#metAt.get(name) ?? now
    this.#metAt.set(name, metAt)
    // Clocks may differ.
    const leftMs = Math.min(unknownTypeMs, Math.max(metAt, message.time) + unknownTypeMs - now)
    return leftMs > 0 ? leftMs : undefined
  }
}

/** Whether the last thing that happened to a delivery is that it could not be read, and waited. */
export function hasWaited({ attempts }: Failures): boolean {
  const last = attempts.at(-1)
  return last?.isFree === true && codes.has(errorName(last.error))
}

/** The same without that: it can be read here. */
export function withoutWaiting({ attempts, next, count, firstAtMs }: Failures): Failures {
  const left = count - 1
  return new Failures(attempts.slice(0, -1), { next, count: left, firstAtMs: left > 0 ? firstAtMs : undefined })
}

/** What a subscription would have to know for a message, and does not; nothing where it knows its type, in its version. */
function lackOf({ type, body }: StoredMessage, { name, types, versions }: Subscription): Lack | undefined {
  const version = versionOf(body)
  if (types.includes(type) && (versions?.get(type) ?? 1) >= version) return undefined
  return { subscription: name, type, version }
}

function versionOf(body: string): number {
  try {
    const { version } = JSON.parse(body) as { readonly version?: unknown }
    return typeof version === 'number' ? version : 1
  } catch {
    return 1 // It is damaged, and that is said of it.
  }
}
