import type { Delivery } from './delivery.ts'

/** Records, after what the handler recorded itself, the returned instances of the classes it was bound to respond with. */
export function recordResponseEvents(delivery: Delivery, value: unknown): void {
  const { responseEvents } = delivery.target
  if (responseEvents.length === 0) return
  for (const event of Array.isArray(value) ? value : [value]) {
    if (responseEvents.some((type) => event instanceof type)) delivery.publish(event as object)
  }
}
