import type { Exception, NewMessage, StoredDeadLetter, StoredMessage, Subscription } from '../../../ports/store.ts'

/** A message of type `t`, without a key. */
export function message(id: string, more: Partial<NewMessage> = {}): NewMessage {
  const text = { envelope: `{"of":"${id}"}`, body: `{"body of":"${id}"}` }
  return { id, type: 't', key: undefined, time: Date.UTC(2030, 0, 1), ...text, crc: 1, mayRepeat: false, ...more }
}

/** Messages `a0`, `a1`, ... */
export function messages(prefix: string, count: number, more: Partial<NewMessage> = {}): NewMessage[] {
  return Array.from({ length: count }, (_, n) => message(`${prefix}${n}`, more))
}

/** A subscription that takes messages of type `t` from now on. */
export function subscription(name = 'events/a', more: Partial<Subscription> = {}): Subscription {
  return { name, formerly: [], types: ['t'], from: 'now', ...more }
}

export function exception(position: number, more: Partial<Exception> = {}): Exception {
  return { position, key: 'k', state: 'started', dueAt: undefined, note: undefined, ...more }
}

export function letter(id: string, more: Partial<StoredDeadLetter> = {}): StoredDeadLetter {
  return {
    id,
    subscription: 'events/a',
    partition: 0,
    message: contentOf(message(`message of ${id}`)),
    correlationId: `chain of ${id}`,
    error: 'TypeError',
    attempts: `[{"of":"${id}"}]`,
    diedAt: Date.UTC(2030, 0, 1),
    isReplaying: false,
    ...more,
  }
}

/** What of a message has to be stored; as plain as it can be compared. */
export function contentOf({ id, type, key, time, envelope, body, crc }: StoredMessage): StoredMessage {
  return { id, type, key, time, envelope, body, crc }
}

export function letterContentOf(one: StoredDeadLetter): StoredDeadLetter {
  const { id, subscription: handler, partition, correlationId, error, attempts, diedAt, isReplaying } = one
  const content = { id, subscription: handler, partition, correlationId, error, attempts, diedAt, isReplaying }
  return { ...content, message: contentOf(one.message) }
}

export function exceptionContentOf({ position, key, state, dueAt, note }: Exception): Exception {
  return { position, key, state, dueAt, note }
}
