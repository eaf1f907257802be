import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Group } from './case.ts'

const folder = join(import.meta.dirname, 'groups')

const inOrder = new Intl.Collator('en', { numeric: true })

/** The names of all groups: those of their files. They are numbered in the order in which they are printed. */
export function groupNames(): string[] {
  return readdirSync(folder)
    .map((file) => file.replace(/\.ts$/, ''))
    .sort(inOrder.compare)
}

export async function loadGroup(name: string): Promise<Group> {
  const { default: group } = (await import(join(folder, `${name}.ts`))) as { default: Group }
  return group
}

interface Named {
  readonly name: string
  readonly variant?: string
}

export function findCase<C extends Named>(cases: readonly C[], name: string, variant: string | undefined): C {
  const found = cases.find((one) => one.name === name && one.variant === variant)
  if (found !== undefined) return found
  const known = cases.map((one) => JSON.stringify([one.name, one.variant])).join('\n')
  throw new Error(`There is no case ${JSON.stringify([name, variant])}. There are:\n${known}`)
}
