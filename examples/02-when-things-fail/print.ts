import type { DeadLetter, Outcome } from '@iambus/core'

export function printTitle(title: string): void {
  console.log(`\n${title}`)
}

export function printLines(lines: readonly string[]): void {
  for (const line of lines) console.log(`  ${line}`)
}

/** What became of a message at each of its handlers. */
export function printOutcomes(name: string, outcomes: readonly Outcome[]): void {
  printLines([`${name}: ${outcomes.map(({ handler, status }) => `${status} at ${handler}`).join(', ')}`])
}

/** What there is to see of a dead letter. */
export function printLetter({ envelope, handler, attempts, error, causes, parked }: DeadLetter): void {
  const chain = [...causes, { type: envelope.type, handler }].map((link) => `${link.type} at ${link.handler}`)
  printLines([
    `${envelope.correlationId}: ${chain.join(' -> ')}`,
    `  message    ${JSON.stringify(envelope.message)}`,
    ...attempts.map(({ attempt, error: { message } }) => `  attempt ${attempt}  ${message}`),
    `  cause      ${String(error.cause)}`,
    `  parked     ${parked}`,
  ])
}
