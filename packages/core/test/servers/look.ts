import { existsSync } from 'node:fs'
import type { Found, Installation } from './decision.ts'
import type { Environment, Server } from './server.ts'

/**
 * Looks for a server: where the environment says, else at the usual port, and for binaries.
 *
 * @throws Error - if the environment names one that does not answer.
 */
export async function look(server: Server, environment: Environment, mayInstall = false): Promise<Found> {
  return {
    url: await findUrl(server, environment),
    binaries: server.findBinaries(environment),
    installation: mayInstall ? installation() : 'not asked for',
  }
}

async function findUrl(server: Server, environment: Environment): Promise<string | undefined> {
  const given = environment[server.variable]
  if (given) {
    await server.ask(given).catch((cause: unknown) => {
      throw new Error(`${server.variable} names a ${server.title} that does not answer: ${withoutPassword(given)}`, {
        cause,
      })
    })
    return given
  }
  for (const url of server.usualUrls(environment)) {
    const answers = await server.ask(url).then(
      () => true,
      () => false,
    )
    if (answers) return url
  }
  return undefined
}

const withoutPassword = (url: string): string => url.replace(/:[^:@/]*@/, ':***@')

function installation(): Installation {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') ? 'possible' : 'impossible'
}
