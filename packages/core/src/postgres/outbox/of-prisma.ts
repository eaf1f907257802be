import type { PostgresTransaction } from '../client.ts'
import { isLike, refused, rowsOf } from './refused.ts'

/** A `Prisma.TransactionClient`. */
export interface PrismaTransaction {
  $queryRawUnsafe(text: string, ...params: unknown[]): PromiseLike<unknown>
}

/**
 * An interactive transaction of Prisma, for the option `tx`.
 *
 * ```ts
 * await prisma.$transaction(async (tx) => {
 *   await tx.order.create({ data: { id } })
 *   await dp.publish(new OrderPlaced({ id }), { tx: ofPrisma(tx) })
 * })
 * ```
 *
 * @param tx what `$transaction` gives its function.
 * @throws {ForeignTransaction} for what is none, such as the `PrismaClient` itself.
 */
export function ofPrisma(tx: PrismaTransaction): PostgresTransaction {
  // Prisma takes from a transaction what is the client's only.
  if (!isLike(tx, '$queryRawUnsafe') || isLike(tx, '$connect')) {
    throw refused('ofPrisma', tx, 'the tx that prisma.$transaction() gives its function')
  }
  return { query: async (text, params = []) => rowsOf(await tx.$queryRawUnsafe(text, ...params)) }
}
