import { messageText } from './message-text.ts'
import type { RecordedDelivery, RecordedMessage } from './recorded.ts'

/**
 * What happened, as text: each message that came from outside, its handlers with what became of each, and below each handler
 * what it caused. Messages are told by type and payload; those that look alike have numbers, in the order in which they came.
 * So two runs that do the same give the same text.
 */
export function causalTree(messages: readonly RecordedMessage[]): string {
  const names = namesOf(messages)
  const lines: string[] = []
  const addMessage = (message: RecordedMessage, indent: string): void => {
    lines.push(`${indent}${message.verb} ${names.get(message)}${aside(message)}`)
    for (const delivery of message.deliveries) {
      lines.push(`${indent}  ${delivery.handler}: ${outcomeText(delivery)}`)
      for (const caused of delivery.caused) addMessage(caused, `${indent}    `)
    }
  }
  for (const message of messages) if (message.cause === undefined) addMessage(message, '')
  return lines.length === 0 ? 'Nothing happened.' : lines.join('\n')
}

/** What became of a delivery, in words. */
export function outcomeText({ outcome, attempts, error }: RecordedDelivery): string {
  const tried = attempts > 1 ? ` after ${attempts} attempts` : ''
  if (outcome === 'done') return `done${tried}`
  const why = error === undefined ? '' : ` (${error.name}: ${error.message})`
  if (outcome !== undefined) return `${outcome}${tried}${why}`
  return attempts === 0 ? 'waits' : `runs${attempts > 1 ? `, attempt ${attempts}` : ''}${why}`
}

function aside({ key, deliveries, isDelayed, isCancelled }: RecordedMessage): string {
  const ofKey = key === undefined ? '' : ` of the key '${key}'`
  if (isCancelled) return `${ofKey}, cancelled`
  if (deliveries.length > 0) return ofKey
  return `${ofKey}, ${isDelayed ? 'delayed' : 'which nobody handles'}`
}

function namesOf(messages: readonly RecordedMessage[]): ReadonlyMap<RecordedMessage, string> {
  const alike = Map.groupBy(messages, ({ type, message }) => messageText(type, message))
  const names = [...alike].flatMap(([text, all]) =>
    all.map((message, index) => [message, all.length === 1 ? text : `${text} #${index + 1}`] as const),
  )
  return new Map(names)
}
