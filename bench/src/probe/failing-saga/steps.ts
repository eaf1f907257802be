import { seen } from '../seen.ts'

/** What fails once: the saga itself, with the first event; or the first command that it causes. */
const failing = process.argv[2] === 'saga' ? 'the saga' : 'the command'

/** The saga gets an event. */
export function react(n: number): void {
  step('the saga', n)
}

/** The handler of its command runs. */
export async function ship(n: number): Promise<void> {
  step('the command', n)
}

function step(what: typeof failing, n: number): void {
  const throws = what === failing && n === 1
  seen(what, throws ? `${n} throws` : `${n} ends`)
  if (throws) throw new Error('boom')
}
