// Runs the tests: all of them on Node 24, then the unit tests again on Node 22. Arguments are handed on to vitest, except
// `--install`, which has missing servers installed, and `--embedded`, which leaves out what needs a server.
// What had to be left out for want of a server is said last, and is a failure where CI is set.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { readArguments } from '../packages/core/test/servers/arguments.ts'
import { decide, saysLeftOut } from '../packages/core/test/servers/decision.ts'
import { install } from '../packages/core/test/servers/install.ts'
import { look } from '../packages/core/test/servers/look.ts'
import { servers } from '../packages/core/test/servers/servers.ts'
import { projectNames } from '../vitest.config.ts'

const modules = join(import.meta.dirname, '../node_modules')
const onNode22Too = ['unit']

const { mayInstall, isEmbedded, projects, rest } = readArguments(process.argv.slice(2))
const wanted = projects.length > 0 ? [...projects] : projectNames.filter((name) => !isEmbedded || !needsServer(name))
const { leftOut, said } = await findLeftOut()
const runs = wanted.filter((name) => !leftOut.includes(name))
const again = runs.filter((name) => onNode22Too.includes(name))

// An interrupt is for vitest; this waits for it.
process.on('SIGINT', () => {})
let status = runs.length > 0 ? await run(process.execPath, runs, rest) : 1
if (status === 0 && again.length > 0) {
  // The files that are named may all be of projects that run once.
  const more = rest.length > 0 ? [...rest, '--passWithNoTests'] : []
  status = await run(join(modules, 'node-22/bin/node'), again, more)
}
for (const line of said) console.error(`\n${line}`)
process.exitCode = said.length > 0 && process.env['CI'] ? status || 1 : status

function needsServer(project: string): boolean {
  return servers.some((server) => Object.values(server.projects).includes(project))
}

/** Looks for each server that is needed, has it installed if that is wanted, and finds the projects that go without. */
async function findLeftOut(): Promise<{ leftOut: string[]; said: string[] }> {
  const result: { leftOut: string[]; said: string[] } = { leftOut: [], said: [] }
  for (const server of servers) {
    const uses = (['shared', 'own'] as const).filter((use) => wanted.includes(server.projects[use]))
    if (uses.length === 0) continue
    let found = await look(server, process.env, mayInstall)
    if (uses.some((use) => decide(use, found).kind === 'install')) {
      install(server)
      found = await look(server, process.env)
    }
    const without = uses.filter((use) => decide(use, found).kind === 'leave out')
    if (without.length === 0) continue
    result.leftOut.push(...without.map((use) => server.projects[use]))
    result.said.push(saysLeftOut(server, without, found.installation))
  }
  return result
}

async function run(node: string, names: readonly string[], more: readonly string[]): Promise<number> {
  const chosen = names.flatMap((name) => ['--project', name])
  const vitest = spawn(node, [join(modules, 'vitest/vitest.mjs'), 'run', ...chosen, ...more], { stdio: 'inherit' })
  const [code] = (await once(vitest, 'close')) as [number | null]
  return code ?? 1
}
