import type { Entry, Start } from './entries.ts'
import type { Facts, Logged } from './oracle.ts'
import { overlaps } from './overlaps.ts'

/** Which handlers take a piece of work, and which of them write an effect for each. */
const ofWork = ['commits', 'plain', 'fails', 'parks', 'causes'].map((name) => `events/${name}`)
const effecting = ['commits', 'parks', 'caused'].map((name) => `events/${name}`)

export interface Judgement {
  /** What was promised, and is not so. */
  readonly broken: readonly string[]
  /** Figures, by their names. */
  readonly counts: Readonly<Record<string, number>>
}

type Of<Is extends Entry['is']> = Extract<Entry, { is: Is }>

/** Holds what the nodes have written down against what the server has. */
export function judge(entries: readonly Entry[], facts: Facts): Judgement {
  const of = <Is extends Entry['is']>(is: Is): Of<Is>[] => entries.filter((entry): entry is Of<Is> => entry.is === is)
  const [published, starts, ends] = [of('published'), of('start'), of('end')]
  const lost = [...unlogged(published, facts), ...unhandled(ends, facts)]
  const doubled = twice(facts)
  const { explained, broken: unexplained } = overlaps(entries, facts.takings)
  const notices = of('notice')
  return {
    broken: [
      ...facts.violations,
      ...of('alarm').map(({ node, text }) => `There was a notice at ${node}: ${text}`),
      ...lost,
      ...halfStored(facts),
      ...doubled,
      ...publishedInDisorder(published, facts),
      ...inDisorder('ran first', firstOfEach(starts), facts),
      ...inDisorder('first succeeded', firstOfEach(withoutEffect(ends, facts)), facts),
      ...inDisorder('was committed', facts.effects, facts),
      ...unexplained,
      ...Object.entries(facts.left).flatMap(([what, count]) => (count > 0 ? [`There are ${count} ${what} left.`] : [])),
    ],
    counts: {
      'messages that were stored': facts.logged.length,
      'runs of handlers': starts.length,
      effects: facts.effects.length,
      lost: lost.length,
      'doubled effects': doubled.length,
      'runs that were repeated': repeated(entries),
      'claims taken after their lease had ended': facts.takings.filter(({ isExpired }) => isExpired).length,
      'claims given back and taken': facts.takings.filter(({ isExpired, from }) => !isExpired && from !== null).length,
      'overlaps of runs of a key, across the end of a lease': explained,
      'commits and completions refused to former owners': notices.filter(({ name }) => name === 'claimLost').length,
      'failures of the store': notices.filter(({ name }) => name === 'storeFailed').length,
    },
  }
}

const at = ({ handler, id }: { readonly handler: string; readonly id: string }): string => `${id} at ${handler}`

function unlogged(published: readonly Of<'published'>[], { logged }: Facts): string[] {
  const stored = new Set(logged.map(({ id }) => id))
  return published.flatMap(({ id }) => (stored.has(id) ? [] : [`${id} was published, and is not in the log.`]))
}

/** Whatever was stored is handled by each of its handlers; those that commit have an effect. */
function unhandled(ends: readonly Of<'end'>[], { logged, effects }: Facts): string[] {
  const ended = new Set(ends.flatMap((end) => (end.ok ? [at(end)] : [])))
  const committed = new Set(effects.map(at))
  const causes = new Set(effects.map(({ cause }) => cause))
  return logged.flatMap(({ id, type }) => {
    if (type === 'torture.last') return []
    const uncaused = type === 'torture.work' && !causes.has(id) ? [`${id} has caused nothing.`] : []
    const handlers = type === 'torture.work' ? ofWork : ['events/caused']
    const missing = handlers.filter((handler) => {
      const where = at({ handler, id })
      return !committed.has(where) && (effecting.includes(handler) || !ended.has(where))
    })
    return [...uncaused, ...missing.map((handler) => `${id} was stored, and ${handler} has not handled it.`)]
  })
}

/** A row of the caller's transaction is there with its message, or neither is. */
function halfStored({ business, logged }: Facts): string[] {
  const rows = new Set(business)
  const messages = new Set(logged.flatMap(({ id }) => (id.startsWith('tx-') ? [id] : [])))
  return [
    ...business.filter((id) => !messages.has(id)).map((id) => `${id} was committed, and its message is not there.`),
    ...[...messages].filter((id) => !rows.has(id)).map((id) => `${id} was rolled back, and its message is there.`),
  ]
}

/** A delivery has one effect, and what it causes comes once. */
function twice({ effects }: Facts): string[] {
  const seen = new Set<string>()
  return effects.flatMap((effect) => {
    const whats = [at(effect), ...(effect.cause === null ? [] : [`what ${effect.cause} has caused`])]
    return whats.flatMap((what) => (seen.size === seen.add(what).size ? [`${what} has two effects.`] : []))
  })
}

/** What a node has published for a key, one after the other, is in the log in that order. */
function publishedInDisorder(published: readonly Of<'published'>[], { logged }: Facts): string[] {
  const places = new Map(logged.map(({ id, position }) => [id, position]))
  const lanes = Map.groupBy(
    published.filter(({ isInOrder, key }) => isInOrder && key !== null),
    ({ node, key }) => `${node} ${key}`,
  )
  return [...lanes.values()].flatMap((lane) => {
    let latest = 0
    return lane
      .toSorted((a, b) => a.n - b.n)
      .flatMap(({ id }) => {
        const place = places.get(id) ?? Number.POSITIVE_INFINITY
        const isOvertaken = place < latest
        latest = Math.max(latest, place)
        return isOvertaken ? [`${id} is in the log before what its node had published before.`] : []
      })
  })
}

interface Happened {
  readonly handler: string
  readonly id: string
  readonly key: string | null
}

/** Runs that succeeded and committed nothing. When one did, its effect says: a node may hear of it long after others. */
function withoutEffect(ends: readonly Of<'end'>[], { effects }: Facts): Of<'end'>[] {
  const committed = new Set(effects.map(at))
  return ends.filter((end) => end.ok && !committed.has(at(end)))
}

function firstOfEach<H extends Happened>(happened: readonly H[]): H[] {
  const seen = new Set<string>()
  return happened.filter((one) => seen.size < seen.add(at(one)).size)
}

/** For each handler and key, things happen in the order of the log. */
function inDisorder(what: string, happened: readonly Happened[], { logged }: Facts): string[] {
  const places = new Map<string, Logged>(logged.map((one) => [one.id, one]))
  const latest = new Map<string, Logged>()
  return happened.flatMap(({ handler, id, key }) => {
    const place = places.get(id)
    if (key === null || place === undefined) return []
    const lane = `${handler} ${key}`
    const before = latest.get(lane)
    latest.set(lane, place)
    return before !== undefined && before.position >= place.position
      ? [`${lane}: ${id}, position ${place.position}, ${what} after ${before.id}, position ${before.position}.`]
      : []
  })
}

/** Runs of what had been run before, and had not failed then. */
function repeated(entries: readonly Entry[]): number {
  const unfailed = new Set<string>()
  let count = 0
  for (const entry of entries) {
    if (entry.is === 'end' && !entry.ok) unfailed.delete(at(entry))
    if (entry.is !== 'start') continue
    if (unfailed.has(at(entry)) && !isReplay(entry)) count += 1
    unfailed.add(at(entry))
  }
  return count
}

const isReplay = ({ replayed }: Start): boolean => replayed
