import type { DeliveryNotice } from '@iambus/core'
import { onNotice } from './notices.ts'

/** Prints what happens to each delivery, as it happens. */
export function printTimeline(): void {
  onNotice('retried', (notice) => {
    const { error, attempt, delayMs } = notice
    print(notice, `${error.message} Attempt ${attempt} comes in ${delayMs} ms.`)
  })
  onNotice('succeeded', (notice) => print(notice, `done, in attempt ${notice.attempt}`))
  onNotice('dropped', (notice) => print(notice, `skipped: ${notice.error.message}`))
  onNotice('dead', (notice) => print(notice, `dead: ${notice.error.message}`))
  onNotice('parked', (notice) => print(notice, `parked, behind a dead one of ${notice.envelope.key}`))
  onNotice('replayed', (notice) => print(notice, 'is replayed'))
}

function print({ envelope, handler }: DeliveryNotice, text: string): void {
  console.log(`  ${envelope.correlationId.padEnd(11)}  ${handler.padEnd(19)}  ${text}`)
}
