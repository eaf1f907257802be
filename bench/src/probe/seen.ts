// What a program of the probe and the report agree on: a line for each thing that was seen.

const mark = 'seen: '

/** Writes down one thing that happened, at once: the program may crash with the next. */
export function seen(fact: string, what: string): void {
  console.log(`${mark}${JSON.stringify([fact, what])}`)
}

/** What was seen, by fact, in the order of time; and whatever else was printed, line by line. */
export function readSeen(printed: string): { readonly facts: Map<string, string[]>; readonly rest: string[] } {
  const facts = new Map<string, string[]>()
  const rest: string[] = []
  for (const line of printed.split('\n')) {
    if (!line.startsWith(mark)) {
      rest.push(line)
      continue
    }
    const [fact, what] = JSON.parse(line.slice(mark.length)) as [string, string]
    facts.set(fact, [...(facts.get(fact) ?? []), what])
  }
  return { facts, rest }
}

/** What the publisher, or the caller, sees of a promise. */
export async function seenOf(fact: string, name: string, promise: Promise<unknown>): Promise<void> {
  try {
    const value = await promise
    seen(fact, `${name} resolves${value === undefined ? '' : ` to ${JSON.stringify(value)}`}`)
  } catch (error) {
    seen(fact, `${name} rejects: ${shown(error)}`)
  }
}

/** An error in a few words; those inside of an `AggregateError` too. */
export function shown(error: unknown): string {
  if (error instanceof AggregateError) return `AggregateError of ${error.errors.map(shown).join(', ')}`
  return error instanceof Error ? `${error.name} "${error.message}"` : String(error)
}
