import { MaxDepthExceeded } from '../errors.ts'
import type { Delivery } from './delivery.ts'
import type { Cause } from '../message/envelope.ts'

/** The fault of a delivery at the end of a chain of more than `maxDepth` messages, each caused by the one before. */
export function maxDepthExceeded({ envelope: of }: Delivery, maxDepth: number): MaxDepthExceeded | undefined {
  if (of.cause === undefined || of.cause.depth < maxDepth) return undefined
  const chain: string[] = []
  for (let link: Cause | undefined = of.cause; link !== undefined; link = link.cause) {
    chain.unshift(`${link.type} -> ${link.handler}`)
  }
  const text = `'${of.type}' is the end of a chain of ${maxDepth} messages, each caused by the one before`
  const last = chain.slice(-3).join(' -> ')
  return new MaxDepthExceeded(`${text} (... ${last}). It probably feeds itself; if not, raise maxDepth.`, chain)
}
