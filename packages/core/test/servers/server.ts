/** What a test does with a server: uses it beside others, or has one of its own, to be stopped, killed and filled. */
export type Use = 'shared' | 'own'

export type Environment = Readonly<Record<string, string | undefined>>

/** A kind of server that tests need; how one is found, and asked whether it is there. */
export interface Server {
  /** As it is called in texts. */
  readonly title: string
  /** The variable of the environment that names a server to be used. */
  readonly variable: string
  /** The projects of vitest whose tests need it. */
  readonly projects: Readonly<Record<Use, string>>
  readonly debianPackage: string
  /** Where it is looked for when the variable is not set. */
  readonly usualUrls: (environment: Environment) => string[]
  /** Resolves when the server at this URL has answered, and rejects with what is wrong. */
  readonly ask: (url: string) => Promise<void>
  /** The folder of the newest binaries that are installed. */
  readonly findBinaries: (environment: Environment) => string | undefined
}
