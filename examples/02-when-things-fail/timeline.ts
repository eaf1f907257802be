import type { DeliveryNotice, Dispatcher } from '@iambus/core'

/** Prints what happens to each delivery, as it happens. */
export function printTimeline(dp: Dispatcher): void {
  dp.observe('retried', (notice) => {
    const { error, attempt, delayMs } = notice
    print(notice, `${error.message} Attempt ${attempt} comes in ${delayMs} ms.`)
  })
  dp.observe('succeeded', (notice) => print(notice, `done, in attempt ${notice.attempt}`))
  dp.observe('dropped', (notice) => print(notice, `skipped: ${notice.error.message}`))
  dp.observe('dead', (notice) => print(notice, `dead: ${notice.error.message}`))
  dp.observe('parked', (notice) => print(notice, `parked, behind a dead one of ${notice.envelope.key}`))
  dp.observe('replayed', (notice) => print(notice, 'is replayed'))
}

function print({ envelope, handler }: DeliveryNotice, text: string): void {
  console.log(`  ${envelope.correlationId.padEnd(11)}  ${handler.padEnd(19)}  ${text}`)
}
