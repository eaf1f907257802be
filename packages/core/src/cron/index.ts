export { cron, type CronOptions } from './cron.ts'
export type { When } from '../ports/when.ts'
