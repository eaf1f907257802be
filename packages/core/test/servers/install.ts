import { execFileSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from './server.ts'

/** What asks, on Debian and Ubuntu, whether an installation may start the service that it has installed. */
const policy = '/usr/sbin/policy-rc.d'

/** The commands that install a server. */
export function commandsToInstall({ debianPackage }: Pick<Server, 'debianPackage'>): string[][] {
  return [
    ['apt-get', 'update'],
    ['apt-get', 'install', '--yes', '--no-install-recommends', debianPackage],
  ]
}

/** Installs a server, as root on Debian or Ubuntu, without starting it. */
export function install(server: Server): void {
  const isOurs = !existsSync(policy)
  if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    for (const [command = '', ...args] of commandsToInstall(server)) {
      execFileSync(command, args, { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
    }
  } finally {
    if (isOurs) rmSync(policy)
  }
}
