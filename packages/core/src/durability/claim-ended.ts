import type { Claim } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'

/** Why a claim that was not renewed in time is worked for no more. */
export function claimEnded({ subscription }: Claim): StoreFailed {
  const what = `The claim of ${subscription} has ended: it was not renewed in time.`
  return new StoreFailed(
    'CLAIM_LOST',
    `${what} Another node has it, or will; what runs here can store nothing any more.`,
  )
}
