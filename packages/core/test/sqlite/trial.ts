import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Claim, NewMessage, OpenStore, Store, StoreOpening, Subscription } from '../../src/ports/store.ts'
import { ManualClock } from '../manual-clock.ts'

/** A path in a folder of its own, which is removed with the test. */
export function tempFile(name = 'bus.db'): string {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-sqlite-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, name)
}

export function message(id: string, more: Partial<NewMessage> = {}): NewMessage {
  const rest = { type: 't', key: undefined, time: 0, envelope: '{}', body: `body of ${id}`, crc: 1, mayRepeat: false }
  return { id, ...rest, ...more }
}

export function messages(count: number, prefix = 'm'): NewMessage[] {
  return Array.from({ length: count }, (_, n) => message(`${prefix}${n + 1}`))
}

export function subscription(name = 'events/a', more: Partial<Subscription> = {}): Subscription {
  return { name, formerly: [], types: ['t'], from: 'now', ...more }
}

/** Opens a store, with one subscription unless others are given; it is closed with the test. */
export async function openStore(store: Store, more: Partial<StoreOpening> = {}): Promise<OpenStore> {
  const opening = { service: undefined, subscriptions: [subscription()], clock: new ManualClock(), wake: () => {} }
  const open = await store.open({ ...opening, ...more })
  onTestFinished(() => open.close())
  return open
}

export async function claimOne(open: OpenStore): Promise<Claim> {
  const [claim] = await open.claim()
  if (claim === undefined) throw new Error('There is nothing to claim.')
  return claim
}

export async function idsOf(open: OpenStore): Promise<string[]> {
  return (await open.read(0, 0, 1_000)).map(({ id }) => id)
}
