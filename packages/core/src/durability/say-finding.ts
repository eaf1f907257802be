import type { Observer } from '../observe.ts'
import type { Finding } from '../ports/store.ts'

/** Says what a store has noticed when it was opened. */
export function sayFinding(finding: Finding, { observer, store }: { observer: Observer; store: string }): void {
  const { kind } = finding
  if (kind === 'orphan') {
    const { subscription, pending, since } = finding
    observer.say('orphaned', {
      store,
      handler: subscription,
      pending,
      since: since === undefined ? undefined : new Date(since),
    })
  } else if (kind === 'forgotten')
    observer.say('forgotten', { store, handler: finding.subscription, pending: finding.pending })
  else if (kind === 'typeRemoved') {
    const { subscription, type, pending } = finding
    observer.say('typeRemoved', { store, handler: subscription, type, pending })
  } else if (kind === 'lost') observer.say('storeLost', { store, text: finding.text })
  else
    observer.say('subscribed', {
      store,
      handler: finding.subscription,
      formerly: kind === 'renamed' ? finding.from : undefined,
    })
}
