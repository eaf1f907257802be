import type { Group, SpeedGroup } from './case.ts'
import { aimsOf, line, type Lookup } from './aims.ts'
import { median, rangeOf, ratioOf, short, shownRange } from './ratios.ts'
import { cellsOf, keyOf, type Results, variantsOf } from './rounds.ts'

/** One group as Markdown: a table with a row for each name and columns for each variant, and its aims. */
export function tableOf(group: Group, results: Results): string {
  const measured: Lookup = (name, variant) => results.get(keyOf(name, variant))
  const table = 'cases' in group ? speedTable(group, measured) : valueTable(group, measured)
  return [`## ${group.title}`, '', group.text, '', ...table, ...aimsOf(group, measured)].join('\n')
}

function speedTable(group: SpeedGroup, measured: Lookup): string[] {
  const variants = variantsOf(group)
  const withBytes = group.cases.some(({ name, variant }) => measured(name, variant)?.bytes !== undefined)
  const heads = variants.flatMap((variant) => [variant ?? 'speed', ...(withBytes ? ['B'] : [])])
  const rows = namesOf(group).map((name) => [
    shownName(name),
    ...variants.flatMap((variant) => {
      const [base, own] = [measured(group.base, variant), measured(name, variant)]
      const ratio = base === undefined || own === undefined ? '' : shownRange(ratioOf(base.values, own.values))
      return [ratio, ...(withBytes ? [shownBytes(own?.bytes)] : [])]
    }),
  ])
  const absolute = variants.map((variant) => {
    const ns = median(measured(group.base, variant)?.values ?? [])
    return `${variant === undefined ? '' : `${variant}: `}${short(ns)} ns`
  })
  return [
    ...tableLines(heads, rows),
    '',
    `<sub>1 is "${group.base}". Its median here, a ${group.unit}: ${absolute.join('; ')}.</sub>`,
  ]
}

function valueTable(group: Group, measured: Lookup): string[] {
  const variants = variantsOf(group)
  const rows = namesOf(group).map((name) => [
    shownName(name),
    ...variants.map((variant) => {
      const own = measured(name, variant)
      if (own === undefined) return ''
      return shownRange(rangeOf('weights' in group ? own.values.map(Math.round) : own.values))
    }),
  ])
  return tableLines(
    variants.map((variant) => variant ?? ''),
    rows,
  )
}

const namesOf = (group: Group): string[] => [...new Set(cellsOf(group).map(({ name }) => name))]

const shownName = (name: string): string => (name.startsWith('iambus') ? `**${name}**` : name)

const shownBytes = (bytes: number | undefined): string => (bytes === undefined ? '' : String(Math.round(bytes)))

function tableLines(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [line(['', ...heads]), line(['---', ...heads.map(() => '---:')]), ...rows.map(line)]
}
