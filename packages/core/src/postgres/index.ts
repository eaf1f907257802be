export type { PostgresClient, PostgresPool, PostgresResult, PostgresTransaction } from './client.ts'
export { postgres } from './postgres.ts'
export { postgresMigrations } from './schema.ts'
export { type Completion, POSTGRES_DEFAULTS, type PostgresOptions, type PostgresSettings } from './settings.ts'
