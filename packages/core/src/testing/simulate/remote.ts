import { asError } from '../../errors.ts'
import { Unawaited } from './failures.ts'
import type { StepFault } from './faults.ts'
import type { Life } from './life.ts'
import type { Steps } from './steps.ts'

/** Something outside, as a handler of a simulated node reaches it: each call takes its time, and may fail. */
export type Remote<T> = {
  readonly [N in keyof T]: T[N] extends (...given: infer A) => infer R ? (...given: A) => Promise<Awaited<R>> : T[N]
}

/** A call to something outside has failed, because a simulation wanted it so. */
export class CallFailed extends Error {
  readonly code = 'CALL_FAILED'

  constructor(call: string) {
    super(`${call}: the connection was lost. (A simulation wanted it so.)`)
    this.name = 'CallFailed'
  }
}

/** What remote calls of a node work with. */
export interface RemoteParts {
  readonly life: Life
  readonly steps: Steps
  readonly say: (text: string) => void
  /** Ends the run: something is wrong with the program. */
  readonly fail: (error: Error) => void
}

/** Knows whether somebody waits for it. */
class Call extends Promise<unknown> {
  isAwaited = false

  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  // A promise has a `then`.
  // oxlint-disable-next-line unicorn/no-thenable
  override then<A, B>(
    done?: ((value: unknown) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isAwaited = true
    return super.then(done, failed)
  }
}

/** Each call of a method is two steps: it is done there, and its answer arrives. */
export function remoteOf<T extends object>(name: string, service: T, parts: RemoteParts): Remote<T> {
  const around = new Proxy(service, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function' || typeof property === 'symbol') return value
      return (...given: unknown[]) => {
        const call = `${name}.${property}(${given.map(inWords).join(', ')})`
        return called(call, async () => Reflect.apply(value, target, given) as unknown, parts)
      }
    },
  })
  return around as Remote<T>
}

function called(call: string, go: () => Promise<unknown>, { life, steps, say, fail }: RemoteParts): Promise<unknown> {
  const made: Call = new Call((resolve, given) => {
    const reject = (error: unknown): void => {
      if (made.isAwaited) return given(error)
      const text = `${call} was not awaited, and has failed: in production, nobody would know, or the process would end.`
      fail(new Unawaited(text, { cause: error }))
    }
    const answer = (take: () => void): void => {
      if (life.isAlive) steps.add({ life, take })
    }
    const done = async (): Promise<unknown> => {
      try {
        const value = await go()
        say(call)
        return value
      } catch (thrown) {
        say(`${call} fails: ${asError(thrown).message}`)
        throw thrown
      }
    }
    const strike = async (fault: StepFault): Promise<void> => {
      if (fault === 'lost-answer') {
        await done().catch(() => {})
        say('the answer gets lost')
      } else say(`${call} does not get there`)
      answer(() => reject(new CallFailed(call)))
    }
    steps.add({
      life,
      take: () =>
        void done().then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        ),
      faults: ['call-failure', 'lost-answer'],
      strike: (fault) => void strike(fault),
    })
  })
  return made
}

function inWords(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}
