import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, vi } from 'vitest'
import { type BindOptions, type Context, Dispatcher, type DispatcherOptions } from '../src/index.ts'
import { ManualClock } from './manual-clock.ts'

/** What a handler does with its message, attempt by attempt: it throws each error; beyond them, it succeeds. */
export type Script = Readonly<Record<string, readonly Error[]>>

/**
 * A dispatcher on a clock that stands still, whose handlers do as their scripts say, and that remembers what happened.
 * Messages are strings; what tells them apart is the id.
 */
export class ScriptedBus {
  readonly clock = new ManualClock()
  readonly logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  readonly dp: Dispatcher
  /** Each start of a handler: `<handler> <id>`, and `#<attempt>` from the second on. */
  readonly runs: string[] = []
  /** Each notice that was asked for: `<name> <handler> <id>`. */
  readonly notices: string[] = []
  readonly contexts: Context[] = []
  readonly #listeners: (readonly [string, (notice: unknown) => void])[] = []

  constructor(options: DispatcherOptions = {}) {
    this.dp = new Dispatcher({ logger: this.logger, clock: this.clock, ...options })
    buses.push(this)
  }

  /** Binds a handler of event `x`, unless told otherwise. */
  bind(
    name: string,
    script: Script,
    options: BindOptions<object, never> & { readonly to?: string | string[] } = {},
  ): void {
    const { to = 'x', ...rest } = options
    this.dp.events.bind(
      to,
      (_message: unknown, { context }: { context: Context }) => this.#run(name, script, context),
      {
        ...rest,
        name,
      },
    )
  }

  listen(...names: string[]): void {
    for (const name of names) {
      const listener = (notice: unknown): void => {
        const { handler, envelope } = notice as { handler?: string; envelope?: { id: string } }
        this.notices.push([name, handler?.replace('events/', ''), envelope?.id].filter(Boolean).join(' '))
      }
      subscribe(`iambus:${name}`, listener)
      this.#listeners.push([`iambus:${name}`, listener])
    }
  }

  /** Publishes an event with this id, of this key. */
  async tell(id: string, key?: string, type = 'x'): Promise<void> {
    await this.dp.publish(type, { id, key })
    await this.rest()
  }

  /** Lets time pass, and what is due then happen. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.rest()
  }

  /** Waits until nothing more happens by itself. */
  async rest(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await nextTurn()
  }

  close(): void {
    for (const [name, listener] of this.#listeners) unsubscribe(name, listener)
  }

  async #run(name: string, script: Script, context: Context): Promise<string> {
    const { id, attempt } = context
    this.contexts.push(context)
    const before = this.runs.filter((run) => run.split('#')[0] === `${name} ${id}`).length
    this.runs.push(`${name} ${id}${attempt === 1 ? '' : `#${attempt}`}`)
    await nextTurn()
    const error = script[id]?.[before]
    if (error !== undefined) throw error
    return `${name} ${id}`
  }
}

const buses: ScriptedBus[] = []
afterEach(() => {
  for (const bus of buses.splice(0)) bus.close()
})
