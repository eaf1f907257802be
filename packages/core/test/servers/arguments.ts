/** What `npm test` is asked for. */
export interface Arguments {
  /** `--install`: what is missing is to be installed. */
  readonly mayInstall: boolean
  /** `--embedded`: what needs a server is left out. */
  readonly isEmbedded: boolean
  /** The projects that are named, by `--project`; none means all. */
  readonly projects: readonly string[]
  /** What is for vitest. */
  readonly rest: readonly string[]
}

/** Reads the arguments of `npm test`. */
export function readArguments(given: readonly string[]): Arguments {
  const projects: string[] = []
  const rest: string[] = []
  const left = given.filter((argument) => argument !== '--install' && argument !== '--embedded')
  for (let index = 0; index < left.length; index += 1) {
    const argument = left[index] ?? ''
    if (argument === '--project') projects.push(left[(index += 1)] ?? '')
    else if (argument.startsWith('--project=')) projects.push(argument.slice('--project='.length))
    else rest.push(argument)
  }
  return { mayInstall: given.includes('--install'), isEmbedded: given.includes('--embedded'), projects, rest }
}
