import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import type { Claim, Exception, NewMessage, OpenStore, Settlement } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { Model, type SubscriptionModel } from './model.ts'
import { Random } from './random.ts'
import { exception, exceptionContentOf, letter, message, subscription } from './samples.ts'
import { claimsByName, logOf, type Trial, workOf } from './trial.ts'

const names = ['events/a', 'events/b']
const steps = 50
const acts = [
  ...(['append', 'append', 'settle', 'settle', 'settle', 'work', 'fail'] as const),
  ...(['delay', 'due', 'cancel', 'replay', 'endReplay', 'remove'] as const),
]

/** Cases that each do what chance says to a store and to a model of one, and compare them. */
export function randomPrograms(seed: number, count: number): readonly CaseDefinition[] {
  return Array.from({ length: count }, (_, n) => ({
    name: `random-program-${n + 1}`,
    title: `a random program leaves what a model of a store says (seed: ${seed + n})`,
    run: async (trial: Trial) => {
      const program = new Program(trial, seed + n)
      try {
        await program.run()
      } catch (cause) {
        const how = `Run it alone with storeCases(harness, { seed: ${seed + n}, programs: 1 }). It did:`
        throw new Error(`${String(cause)}\n${how}\n${program.trace.join('\n')}`, { cause })
      }
    },
  }))
}

class Program {
  /** What was done so far. */
  readonly trace: string[] = []
  readonly #trial: Trial
  readonly #random: Random
  readonly #model = new Model(names)
  #open: OpenStore | undefined
  #claims: ReadonlyMap<string, Claim> = new Map()
  #ids = 0

  constructor(trial: Trial, seed: number) {
    this.#trial = trial
    this.#random = new Random(seed)
  }

  async run(): Promise<void> {
    await this.#openAnew()
    await this.#claim()
    for (let n = 0; n < steps; n += 1) {
      await this.#some(1 + this.#random.below(4))
      await this.#compare()
      if (this.#random.oneIn(6)) await this.#restart()
    }
    await this.#restart()
    await this.#compare()
  }

  /** What is called first is stored first, whether anybody waits for it or not; work that is asynchronous, when it is done. */
  async #some(count: number): Promise<void> {
    const calls: Promise<void>[] = []
    for (let n = 0; n < count; n += 1) {
      const what = this.#random.of(acts)
      const isAlone = (what === 'work' || what === 'fail') && !this.#trial.has('syncWork')
      if (isAlone) await Promise.all(calls)
      calls.push(this.#act(what))
      if (isAlone) await calls.at(-1)
    }
    await Promise.all(calls)
  }

  async #act(what: (typeof acts)[number]): Promise<void> {
    switch (what) {
      case 'append':
        return this.#append(this.#newMessages(4))
      case 'settle':
        return this.#settle()
      case 'work':
        return this.#work()
      case 'fail':
        return this.#fail()
      case 'delay':
        return this.#append([this.#delayedMessage()])
      case 'due':
        return this.#appendDue()
      case 'cancel':
        return this.#cancel()
      case 'replay':
        return this.#replay()
      case 'endReplay':
        return this.#endReplay()
      case 'remove':
        return this.#remove()
    }
  }

  async #append(batch: readonly NewMessage[]): Promise<void> {
    this.#note('append', batch)
    const expected = this.#model.append(batch)
    deepEqual(await this.#store.append(batch), expected)
  }

  async #settle(): Promise<void> {
    const [name, settlement] = this.#settlement()
    this.#note(`settle ${name}`, settlement)
    const expected = this.#model.settle(name, settlement)
    deepEqual(await this.#store.settle(this.#claims.get(name), settlement), expected)
  }

  async #work(): Promise<void> {
    const isAsync = !this.#trial.has('syncWork')
    if (isAsync && !this.#trial.has('asyncWork')) return
    const [name, { caused = [], ...settlement }] = this.#settlement()
    this.#ids += 1
    const effect = `effect ${this.#ids}`
    this.#note(`settle ${name} with ${effect}`, { ...settlement, caused })
    const expected = this.#model.settle(name, { ...settlement, caused })
    this.#model.effects.push(effect)
    const work = workOf(this.#trial, { isAsync, effect, causes: () => caused })
    deepEqual(await this.#store.settle(this.#claims.get(name), { ...settlement, work }), expected)
  }

  /** A settlement whose work fails: it leaves nothing. */
  async #fail(): Promise<void> {
    const isAsync = !this.#trial.has('syncWork')
    if (isAsync && !this.#trial.has('asyncWork')) return
    const [name, settlement] = this.#settlement()
    this.#note(`fail to settle ${name}`, settlement)
    const failure = new Error('as chance says')
    const causes = (): never => {
      throw failure
    }
    const work = workOf(this.#trial, { isAsync, effect: 'of a work that failed', causes })
    const settled = this.#store.settle(this.#claims.get(name), { ...settlement, work })
    await rejects(settled, (error) => error === failure)
  }

  async #appendDue(): Promise<void> {
    const limit = 1 + this.#random.below(3)
    this.#note('append what is due', { limit })
    // A clock of the store's own goes on meanwhile: nothing is due that near.
    const expected = this.#model.appendDue(this.#store.now(), limit)
    equal(await this.#store.appendDue(limit), expected)
  }

  async #cancel(): Promise<void> {
    const id = this.#random.of([...this.#model.delayed.map((one) => one.id), 'none'])
    this.#note('cancel', id)
    const expected = this.#model.cancel(id)
    equal(await this.#store.cancel(id), expected)
  }

  async #replay(): Promise<void> {
    const id = this.#random.of([...this.#model.letters, 'none'])
    this.#note('begin a replay of', id)
    const expected = this.#model.beginReplay(id)
    equal(await this.#store.deadLetters.beginReplay(id), expected)
  }

  async #endReplay(): Promise<void> {
    const id = this.#random.of([...this.#model.replaying, 'none'])
    this.#note('end the replay of', id)
    this.#model.replaying.delete(id)
    await this.#store.deadLetters.endReplay(id)
  }

  async #remove(): Promise<void> {
    const ids = this.#random.some(this.#model.letters, 2)
    this.#note('remove', ids)
    const expected = ids.filter((id) => !this.#model.replaying.has(id))
    this.#model.remove(expected)
    deepEqual([...(await this.#store.deadLetters.remove(ids))].sort(), expected.sort())
  }

  #settlement(): [name: string, Settlement] {
    const random = this.#random
    const name = random.of(names)
    const model = this.#model.subscriptions.get(name) as SubscriptionModel
    const ahead = Math.min(this.#model.log.length, model.cursor + 1_024)
    const reached = model.reach + random.below(Math.max(0, ahead - model.reach) + 1)
    const open = Array.from({ length: reached }, (_, n) => n + 1).filter((position) => !model.done.has(position))
    const cleared = random.some([...model.exceptions.keys()], 2)
    const changed = random.some([...model.exceptions.keys()], 2).filter((position) => !cleared.includes(position))
    const exceptions = [...random.some(open, 2), ...changed].map((position) => this.#exception(position))
    const done = random.some(open, 4).map((position) => [position, position + random.below(3)] as const)
    const letters = Array.from({ length: random.below(2) }, () => letter(`letter ${random.below(12)}`))
    const dying = letters.map(({ id }) => id)
    const revived = random.some(this.#model.letters, 1).filter((id) => !dying.includes(id))
    const settlement = { done, exceptions, cleared, dead: letters, revived, caused: this.#newMessages(2) }
    return [name, reached > model.reach ? { ...settlement, reached } : settlement]
  }

  #exception(position: number): Exception {
    const state = this.#random.of(['aside', 'started', 'alone', 'retrying', 'dead'] as const)
    const key = this.#random.of([undefined, 'k', 'other'])
    return exception(position, { state, key, dueAt: state === 'retrying' ? position * 1_000 : undefined })
  }

  #newMessages(most: number): NewMessage[] {
    return Array.from({ length: this.#random.below(most + 1) }, () => this.#newMessage())
  }

  #newMessage(): NewMessage {
    if (this.#random.oneIn(3)) return message(`same ${this.#random.below(20)}`, { mayRepeat: true })
    this.#ids += 1
    return message(`message ${this.#ids}`)
  }

  #delayedMessage(): NewMessage {
    this.#ids += 1
    return message(`delayed ${this.#ids}`, { mayRepeat: this.#random.oneIn(2), dueAt: this.#dueAt() })
  }

  /** Each at another time, so that their order is known; in half of the cases it is past when time goes on. */
  #dueAt(): number {
    this.#ids += 1
    const soon = this.#tick / 2
    return this.#store.now() + soon + this.#random.below(2) * 20 * this.#tick + this.#ids
  }

  async #restart(): Promise<void> {
    const how = this.#random.of(['crash', 'close', 'release and close', 'release'] as const)
    this.#note(how)
    const isClean = how.startsWith('release')
    if (isClean) await this.#store.release([...this.#claims.values()])
    if (how.endsWith('close')) await this.#store.close()
    if (how === 'close' && this.#trial.has('shared')) await this.#trial.advance(this.#trial.leaseMs + 1)
    if (how === 'crash') await this.#trial.crash()
    if (how !== 'release') await this.#openAnew()
    await this.#claim(isClean)
    await this.#trial.advance(this.#tick)
  }

  async #openAnew(): Promise<void> {
    this.#open = await this.#trial.open(names.map((name) => subscription(name)))
  }

  /** Claims, and compares how far each has come. */
  async #claim(isClean?: boolean): Promise<void> {
    this.#claims = await claimsByName(this.#store)
    for (const [name, model] of this.#model.subscriptions) {
      const claim = this.#claims.get(name)
      ok(claim !== undefined, `${name} cannot be claimed.`)
      const { cursor, reach } = claim.progress
      deepEqual({ cursor, reach: Math.max(reach, cursor) }, { cursor: model.cursor, reach: model.reach })
      deepEqual(claim.progress.unfinished(), model.unfinished())
      if (isClean !== undefined) equal(claim.isClean, isClean)
    }
  }

  async #compare(): Promise<void> {
    const model = this.#model
    const log = await logOf(this.#store)
    for (const { id, position } of log) equal(id, model.log[position - 1], `At position ${position}.`)
    const there = new Set(log.map(({ position }) => position))
    deepEqual(
      model.needed().filter((position) => !there.has(position)),
      [],
      'These are needed, and are not in the log.',
    )
    for (const [name, { exceptions }] of model.subscriptions) {
      const found = await this.#store.exceptions(this.#claims.get(name) as Claim)
      deepEqual(
        found.map(exceptionContentOf),
        [...exceptions.values()].sort((a, b) => a.position - b.position),
      )
    }
    const { letters } = await this.#store.deadLetters.list({}, { after: undefined, limit: 1_000 })
    deepEqual(
      letters.map(({ id, isReplaying }) => [id, isReplaying]),
      model.letters.map((id) => [id, model.replaying.has(id)]),
    )
    if (this.#trial.has('syncWork') || this.#trial.has('asyncWork'))
      deepEqual(await this.#trial.effects(), model.effects)
    const { appended, delayed } = await this.#store.stats()
    deepEqual({ appended, delayed }, { appended: model.log.length, delayed: model.delayed.length })
  }

  #note(what: string, value?: unknown): void {
    this.trace.push(value === undefined ? what : `${what} ${JSON.stringify(value, shortened)}`)
  }

  /** By how much time goes on at a restart, in milliseconds: no id is forgotten before the end, for the model forgets none. */
  get #tick(): number {
    return Math.floor(this.#trial.subject.dedupeMs / 200) * 2
  }

  get #store(): OpenStore {
    ok(this.#open)
    return this.#open
  }
}

/** Of a message, only what tells it from others. */
function shortened(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('body' in value)) return value
  const { id, mayRepeat, dueAt } = value as NewMessage
  return { id, mayRepeat, dueAt }
}
