import type { Group } from './case.ts'
import { median, type Ratio, ratioOf } from './ratios.ts'
import { type Measured, type Results, variantsOf } from './rounds.ts'

/** One group as a Markdown table: a row for each name, a pair of columns for each variant. */
export function tableOf(group: Group, results: Results): string {
  const variants = variantsOf(group)
  const names = [...new Set(group.cases.map(({ name }) => name))]
  const withBytes = [...results.values()].some(({ bytes }) => bytes !== undefined)
  const measured = (name: string, variant: string | undefined): Measured | undefined => {
    const found = group.cases.find((one) => one.name === name && one.variant === variant)
    return found && results.get(found)
  }

  const heads = variants.flatMap((variant) => [variant ?? 'speed', ...(withBytes ? ['B'] : [])])
  const rows = names.map((name) => [
    name.startsWith('iambus') ? `**${name}**` : name,
    ...variants.flatMap((variant) => {
      const [base, own] = [measured(group.base, variant), measured(name, variant)]
      const ratio = base === undefined || own === undefined ? '' : shownRatio(ratioOf(base.ns, own.ns))
      return [ratio, ...(withBytes ? [shownBytes(own?.bytes)] : [])]
    }),
  ])
  const absolute = variants.map((variant) => {
    const ns = median(measured(group.base, variant)?.ns ?? [])
    return `${variant === undefined ? '' : `${variant}: `}${short(ns)} ns`
  })
  return [
    `## ${group.title}`,
    '',
    group.text,
    '',
    line(['', ...heads]),
    line(['---', ...heads.map(() => '---:')]),
    ...rows.map(line),
    '',
    `<sub>1 is "${group.base}". Its median here, a ${group.unit}: ${absolute.join('; ')}.</sub>`,
  ].join('\n')
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

function shownRatio({ median: middle, min, max }: Ratio): string {
  if (min === max) return min === 1 ? '1' : short(middle)
  return `${short(middle)} (${short(min)}..${short(max)})`
}

const shownBytes = (bytes: number | undefined): string => (bytes === undefined ? '' : String(Math.round(bytes)))

/** Two significant digits, without an exponent. */
function short(value: number): string {
  if (value >= 100) return String(Math.round(value))
  if (value >= 10) return value.toFixed(0)
  return value >= 0.995 ? value.toFixed(1) : value.toFixed(Math.min(6, 1 - Math.floor(Math.log10(value))))
}
