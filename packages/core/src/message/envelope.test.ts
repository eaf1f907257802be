import { expect, test } from 'vitest'
import { Envelope, type EnvelopeFields, noHeaders } from './envelope.ts'
import { nextId } from './id.ts'

class Placed {
  readonly total = 7
}

const placed = new Placed()

function envelopeWith(fields: Partial<EnvelopeFields> = {}): Envelope {
  return new Envelope({
    message: placed,
    type: 'Placed',
    clock: { now: () => 1_700_000_000_000, after: () => ({ cancel: () => {} }) },
    key: undefined,
    headers: noHeaders,
    id: undefined,
    correlationId: undefined,
    cause: undefined,
    ...fields,
  })
}

/** How many ids were made while `step` ran. */
function idsMadeBy(step: () => unknown): number {
  const before = counterOf(nextId())
  step()
  return counterOf(nextId()) - before - 1
}

function counterOf(id: string): number {
  return Number.parseInt(id.slice(17), 36)
}

test('an envelope holds what it was given', () => {
  const headers = { tenant: 'acme' }
  const envelope = envelopeWith({ key: 'emma', headers, id: 'a', correlationId: 'b' })
  expect(envelope.message).toBe(placed)
  expect(envelope.headers).toBe(headers)
  expect(envelope).toMatchObject({ type: 'Placed', time: 1_700_000_000_000, key: 'emma', id: 'a', correlationId: 'b' })
})

test('no id is made for an envelope whose id nobody reads', () => {
  expect(idsMadeBy(() => envelopeWith().causationId)).toBe(0)
})

test('an id is made when it is first read, and only then', () => {
  const envelope = envelopeWith()
  expect(idsMadeBy(() => envelope.id)).toBe(1)
  expect(idsMadeBy(() => envelope.id)).toBe(0)
})

test('an id stays the same', () => {
  const envelope = envelopeWith()
  const first = envelope.id
  expect(envelope.id).toBe(first)
})

test('no id is made where one was given', () => {
  expect(idsMadeBy(() => envelopeWith({ id: 'mine' }).id)).toBe(0)
})

test('two envelopes of one message have ids of their own', () => {
  expect(envelopeWith().id).not.toBe(envelopeWith().id)
})

test('the correlation id of the first message of a chain is its own id, whichever is read first', () => {
  const [one, two] = [envelopeWith(), envelopeWith()]
  const correlationId = one.correlationId
  const id = two.id
  expect(one.id).toBe(correlationId)
  expect(two.correlationId).toBe(id)
})

test('a correlation id that was given is kept, and makes no id', () => {
  const envelope = envelopeWith({ correlationId: 'chain' })
  expect(idsMadeBy(() => envelope.correlationId)).toBe(0)
  expect(envelope.correlationId).toBe('chain')
  expect(envelope.id).not.toBe('chain')
})

test('the causation id is the id of the cause', () => {
  const cause = { id: 'cause', type: 'CreateBook', handler: 'commands/create', depth: 1, cause: undefined }
  expect(envelopeWith({ cause }).causationId).toBe('cause')
  expect(envelopeWith().causationId).toBeUndefined()
})

test('the headers of a message without any cannot be written to', () => {
  expect(() => Object.assign(noHeaders, { tenant: 'acme' })).toThrow(TypeError)
})
