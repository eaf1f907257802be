import type { PoolClient } from 'pg'
import { query } from '../../servers/postgres.ts'
import type { TcpProxy } from '../../servers/tcp-proxy.ts'
import type { Fault } from './counted-pool.ts'

/** Every connection is reset before the statement reaches the server. */
export const cutBefore =
  (proxy: TcpProxy): Fault =>
  ({ send }) => {
    proxy.cut()
    return send()
  }

/** The server has done the statement, and its answer never arrives: what happens to the connection then is up to `end`. */
const doneBefore =
  (proxy: TcpProxy, end: () => void): Fault =>
  async ({ client, send }) => {
    const before = await activityOf(client, proxy)
    proxy.blackhole('to client')
    const answer = send()
    answer.catch(() => {})
    await until(async () => {
      const now = await activityOf(client, proxy)
      return now === undefined || (now.since !== before?.since && now.state !== 'active')
    })
    end()
    await proxy.heal()
    return answer
  }

/** The server has done it, and every connection is reset before its answer arrives. */
export const cutAfter = (proxy: TcpProxy): Fault => doneBefore(proxy, () => proxy.cut())

/** The connection is half-open from now on, before the statement reaches the server: nobody hears of it. Others are as ever. */
export const strandBefore =
  (proxy: TcpProxy): Fault =>
  ({ send }) => {
    proxy.strand()
    return send()
  }

/** The same, when the server has done the statement, and before its answer arrives. */
export const strandAfter = (proxy: TcpProxy): Fault => doneBefore(proxy, () => proxy.strand())

/** Waits until it is so; asked again each few milliseconds, and given up after ten seconds. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const endsAt = performance.now() + 10_000
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`It has not come about: ${isSo.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

interface Activity {
  readonly state: string
  /** When its last statement began. */
  readonly since: string
}

/** What the server does for a client, as it says on another connection. */
async function activityOf(client: PoolClient, { target }: TcpProxy): Promise<Activity | undefined> {
  const pid = Reflect.get(client, 'processID') as number
  const [row] = await query(target, `SELECT state, query_start::text AS since FROM pg_stat_activity WHERE pid = ${pid}`)
  return row as unknown as Activity | undefined // As the statement says.
}
