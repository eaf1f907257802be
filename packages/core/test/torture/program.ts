// The process that is killed. `--drain`: publishes nothing, heals what is dead, ends when nothing is left.
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { silent } from '../silent.ts'
import { type Context, Dispatcher, type DispatcherOptions, fixed, NonRetryable, retry } from '../../src/index.ts'
import { sqlite } from '../../src/sqlite/index.ts'
import { chanceOf } from './chance.ts'
import { ledgerAt } from './ledger.ts'
import { Caused, type Kind, Last, Later, Tick, Work } from './messages.ts'

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '' },
    run: { type: 'string', default: '0' },
    seed: { type: 'string', default: '0' },
    drain: { type: 'boolean', default: false },
  },
})
const run = Number(values.run)
const random = chanceOf(Number(values.seed))
const path = join(values.folder, 'bus.db')
const write = ledgerAt(join(values.folder, 'ledger'))

const recover = retry({ attempts: 1_000, backoff: fixed(3) })
const options: DispatcherOptions = { store: sqlite(path), logger: silent, recover, service: 'torture' }
const dp = new Dispatcher(options)

/** A handler that writes down when it starts and ends, and has nothing to do with the last message. */
function handler<M extends Work | Caused | Later | Tick>(handle: (message: M, context: Context) => Promise<void>) {
  return async (message: M | Last, { context }: { context: Context }): Promise<void> => {
    if (message instanceof Last) return
    const { id, handler: name, key = null } = context
    write({ is: 'start', handler: name, id, key, seq: message.seq })
    let ok = false
    try {
      await handle(message, context)
      ok = true
    } finally {
      write({ is: 'end', handler: name, id, ok })
    }
  }
}

async function commit({ seq }: { seq: number }, context: Context, undone = false): Promise<void> {
  const { id, handler: name, key = null } = context
  await context.commit((tx) => {
    tx.prepare('INSERT INTO effects (handler, id, key, seq) VALUES (?, ?, ?, ?)').run(name, id, key, seq)
    if (undone) throw new Error('undone')
  })
  write({ is: 'settled', handler: name, id })
}

function failAsMeant({ kind }: Work, { attempt }: Context): void {
  if (kind === 'flaky' && attempt <= 2) throw new Error('flaky')
  if (kind === 'dead' && !values.drain) throw new NonRetryable('dead')
}

const crashes = [() => process.abort(), () => process.exit(70), () => process.kill(process.pid, 'SIGKILL')]

dp.events.bind(
  [Work, Last],
  handler(async (work: Work, context) => {
    failAsMeant(work, context)
    await commit(work, context, work.kind === 'undone' && context.attempt === 1)
    if (work.kind === 'late') throw new Error('late')
  }),
  { name: 'commits' },
)
dp.events.bind(
  [Work, Last],
  handler(async (work: Work, context) => {
    await Promise.resolve()
    failAsMeant(work, context)
  }),
  { name: 'plain' },
)
dp.events.bind(
  [Work, Last],
  handler(async (work: Work, context) => {
    failAsMeant(work, context)
    await commit(work, context)
  }),
  { name: 'parks', onDead: 'park' },
)
dp.events.bind(
  [Work, Last],
  handler(async (work: Work, context) => {
    if (work.kind === 'flaky' && context.attempt === 1) {
      context.publish(new Caused({ seq: -1, by: context.id }))
      throw new Error('flaky')
    }
    context.publish(new Caused({ seq: work.seq, by: context.id }))
    if (work.seq % 5 === 0) context.publish(new Later({ seq: work.seq, by: context.id }), { delayMs: 25, key: null })
    if (work.seq % 2 === 0) await commit(work, context)
  }),
  { name: 'causes' },
)
dp.events.bind(
  [Work, Last],
  handler(async (work: Work, context) => {
    await delay(work.seq % 40)
    await commit(work, context)
  }),
  { name: 'slow' },
)
dp.events.bind(
  [Work, Last],
  handler(async (work: Work, context) => {
    await delay(1)
    if (work.kind === 'poison') crashes[work.seq % crashes.length]?.()
    await commit(work, context)
  }),
  { name: 'crashes', recover: retry({ attempts: 3, backoff: fixed(3) }) },
)
dp.events.bind(
  [Caused, Last],
  handler((caused: Caused, context) => commit(caused, context)),
  { name: 'caused' },
)
dp.events.bind(
  [Later, Last],
  handler((later: Later, context) => commit(later, context)),
  { name: 'later' },
)
dp.events.bind(
  [Tick, Last],
  handler((tick: Tick, context) => commit(tick, context)),
  { name: 'ticks' },
)
if (!values.drain) dp.schedule('tick', { everyMs: 40 }, (dueAt) => new Tick({ seq: dueAt.getTime() }))
for (const name of [
  'storeLost',
  'storeFailed',
  'storeCloseFailed',
  'claimLost',
  'unstored',
  'recoverFailed',
  'listenerFailed',
  'orphaned',
  'typeRemoved',
] as const) {
  dp.observe(name, (notice) => write({ is: 'alarm', text: `${name} ${JSON.stringify(notice)}` }))
}
dp.observe('succeeded', ({ envelope: { id }, handler: name }) => write({ is: 'settled', handler: name, id }))
dp.observe('dead', ({ envelope: { id }, handler: name }) => write({ is: 'dead', handler: name, id }))

write({ is: 'opening', run })
console.log('opening')
await dp.start()
write({ is: 'up', run })
console.log('up')
if (values.drain) await drain()
else await publishAll()

async function publishAll(): Promise<void> {
  let seq = run * 1_000
  const kinds: Kind[] = ['flaky', 'flaky', 'flaky', 'undone', 'late', 'dead']
  for (let burst = 0; burst < 8; burst += 1) {
    for (let left = Math.floor(random() * 12); left > 0; left -= 1) {
      seq += 1
      const chance = random()
      const kind = chance < 0.005 ? 'poison' : chance < 0.3 ? kinds[Math.floor(random() * kinds.length)] : 'plain'
      if (chance > 0.92) void publishLater(seq)
      else void publish(seq, kind ?? 'plain')
    }
    if (random() < 0.3) void replayOne()
    await delay(random() * 40)
  }
  await new Promise(() => setInterval(() => {}, 1_000))
}

async function publish(seq: number, kind: Kind): Promise<void> {
  const key = random() < 0.25 ? null : `k${Math.floor(random() * 8)}`
  const id = `m${seq}`
  await dp.publish(new Work({ seq, kind }), { id, ...(key !== null && { key }) })
  write({ is: 'published', id, key, seq })
}

async function publishLater(seq: number): Promise<void> {
  const id = `later${seq}`
  await dp.publish(new Later({ seq, by: id }), { id, delayMs: random() * 400 })
  write({ is: 'published', id, key: null, seq })
}

/** It dies once more, in its place. */
async function replayOne(): Promise<void> {
  const { letters } = await dp.deadLetters.list({ handler: 'events/parks', limit: 1 })
  const [letter] = letters
  if (letter !== undefined && !letter.isReplaying) await dp.deadLetters.replay(letter.id).catch(() => {})
}

async function drain(): Promise<void> {
  await dp.deadLetters.replay({ handler: 'events/parks' })
  const reader = new DatabaseSync(path, { readOnly: true })
  const left = reader.prepare(`SELECT (SELECT count(*) FROM iambus_exception) AS exceptions,
    (SELECT count(*) FROM iambus_delayed) AS delayed,
    (SELECT tail FROM iambus_log) - (SELECT min(cursor) FROM iambus_claim) AS behind`)
  const isDrained = (): boolean => {
    const { exceptions, behind, delayed } = left.get() as Record<string, number>
    return exceptions === 0 && behind === 0 && delayed === 0
  }
  while (!isDrained()) {
    // What concerns nobody is written with the next that does.
    await dp.publish(new Last({ seq: 0 }), { waitForResponse: true })
    await delay(20)
  }
  reader.close()
  await dp.stop()
  console.log('drained')
}
