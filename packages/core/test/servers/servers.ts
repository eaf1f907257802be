import { postgres } from './postgres.ts'
import type { Server } from './server.ts'

/** All servers that tests need. */
export const servers: readonly Server[] = [postgres]
