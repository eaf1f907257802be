import { subscribe } from 'node:diagnostics_channel'
import { seen, shown } from './seen.ts'

/** Where iambus publishes what has failed for good. */
export function listenToDeaths(): void {
  subscribe('iambus:dead', (notice) => {
    const { handler, error } = notice as { readonly handler: string; readonly error: Error }
    seen('a listener is told', `iambus:dead, ${handler}: ${shown(error)}`)
  })
}
