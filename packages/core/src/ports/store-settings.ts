import { ImproperlyConfigured, InvalidOption, shown } from '../errors.ts'
import { checkNames } from '../options.ts'
import type { Subscription } from './store.ts'

/** What becomes of messages that all have finished. */
export type Completion = 'delete' | 'archive' | { readonly keepMs: number }

/** @throws {InvalidOption} for what is none. */
export function checkCompletion(completion: unknown): void {
  if (completion === 'delete' || completion === 'archive') return
  if (typeof completion !== 'object' || completion === null || !('keepMs' in completion)) {
    throw new InvalidOption(`completion is ${shown(completion)}. Pass 'delete', 'archive' or { keepMs }.`)
  }
  checkNames('completion', completion, ['keepMs'])
  checkKeptMs('completion.keepMs', completion.keepMs)
}

/** For what no timer waits: it may be as long as it likes. @throws {InvalidOption} */
export function checkKeptMs(name: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return
  throw new InvalidOption(`${name} is ${shown(value)}. Pass a number of milliseconds, 0 or more.`)
}

/** @throws {InvalidOption} for what are no whole names of subscriptions. */
export function checkForget(forget: unknown): void {
  if (Array.isArray(forget) && forget.every((name) => typeof name === 'string' && name.includes('/'))) return
  const text = Array.isArray(forget) ? forget.map(shown).join(', ') : shown(forget)
  throw new InvalidOption(`forget is ${text}. Pass the whole names of handlers, as ['events/update-search'].`)
}

/**
 * Whether a store can have these subscriptions, by its settings.
 *
 * @param of.keeps whether it keeps what is finished, so that one can begin at the beginning.
 * @throws {ImproperlyConfigured}
 */
export function checkSubscriptions(
  subscriptions: readonly Subscription[],
  { forget, keeps }: { readonly forget: readonly string[]; readonly keeps: boolean },
): void {
  const unkept = keeps ? undefined : subscriptions.find(({ from }) => from === 'beginning')
  if (unkept !== undefined) {
    const remedy = "Open the store with completion: 'archive' or { keepMs }, or bind it with from: 'now'."
    throw new ImproperlyConfigured(
      'FROM_BEGINNING',
      `${unkept.name} is to begin at the beginning, and finished messages are deleted. ${remedy}`,
    )
  }
  const needed = forget.find((name) => subscriptions.some((subscription) => subscription.name === name))
  if (needed === undefined) return
  throw new ImproperlyConfigured('FORGOTTEN', `${needed} is bound, and is to be forgotten. Take it out of 'forget'.`)
}
