import { seen } from '../seen.ts'

let hasThrown = false

/** Throws when it is called for the first time. */
export async function handle(n: number): Promise<void> {
  const throws = !hasThrown
  hasThrown = true
  seen('the handler', throws ? `${n} throws` : `${n} ends`)
  if (throws) throw new Error('boom')
}
