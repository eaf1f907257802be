/** What all nodes, and whoever judges them, agree on. Leases are short, so that rounds are. */
export const SETTINGS = {
  service: 'torture',
  schema: 'iambus',
  partitions: 8,
  leaseMs: 1_500,
  pollMs: 200,
  /** A node that is stopped within a transaction keeps what that has locked for so long at most. */
  statementTimeoutMs: 5_000,
  keys: 12,
} as const
