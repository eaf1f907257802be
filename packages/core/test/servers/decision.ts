import type { Server, Use } from './server.ts'

/** What has been found of one kind of server. */
export interface Found {
  /** Of a server that answers: one that the environment names, or one at its usual port. */
  readonly url: string | undefined
  /** The folder of binaries that a private one can be started from. */
  readonly binaries: string | undefined
  readonly installation: Installation
}

/** Whether what is missing is to be installed: `impossible` if it is, and this is not root on Debian or Ubuntu. */
export type Installation = 'not asked for' | 'possible' | 'impossible'

export type Decision =
  | { readonly kind: 'use'; readonly url: string }
  | { readonly kind: 'start'; readonly binaries: string }
  | { readonly kind: 'install' }
  | { readonly kind: 'leave out' }

/** Decides where tests get their server from, by what there is. */
export function decide(use: Use, { url, binaries, installation }: Found): Decision {
  if (use === 'shared' && url !== undefined) return { kind: 'use', url }
  if (binaries !== undefined) return { kind: 'start', binaries }
  return { kind: installation === 'possible' ? 'install' : 'leave out' }
}

/** Says which tests have no server, and what to do about it, in one line. */
export function saysLeftOut(server: Server, uses: readonly Use[], installation: Installation): string {
  const { title, variable, projects } = server
  const left = uses.map(
    (use) => `${projects[use]} (${use === 'shared' ? 'which use one' : 'which stop and restart one'})`,
  )
  const install =
    installation === 'impossible'
      ? 'Have --install done by root, on Debian or Ubuntu'
      : 'Run `npm test -- --install` as root on Debian or Ubuntu'
  const others = uses.includes('shared')
    ? `install ${title} yourself; for the former, \`docker compose up -d\` or ${variable} will do`
    : `install ${title} yourself`
  return `LEFT OUT for want of a ${title}: the tests of ${left.join(' and ')}. ${install}, or ${others}.`
}
