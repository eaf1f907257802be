export { memory, type MemoryOptions, type MemoryStore } from './store.ts'
export type { MemoryTransaction } from './transaction.ts'
