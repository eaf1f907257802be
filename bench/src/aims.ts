import type { Aim, Group } from './case.ts'
import { rangeOf, ratioOf, shownRange } from './ratios.ts'
import type { Measured } from './rounds.ts'

/** What was measured of a row in a column, if it was. */
export type Lookup = (name: string, variant: string | undefined) => Measured | undefined

/** What we aim at beside what was measured, as a table: empty where there is nothing that we aim at. */
export function aimsOf(group: Group, measured: Lookup): string[] {
  const rows = (group.aims ?? []).flatMap((aim) => {
    const own = measured(aim.name, aim.variant)
    const isMeasured = own !== undefined && (aim.atLeast !== undefined || boundedOf(group, own).length > 0)
    return isMeasured ? [line([aimed(group, aim), ...resultOf(group, aim, measured)])] : []
  })
  return rows.length === 0 ? [] : ['', line(['aim', 'measured', 'met']), line(['---', '---:', '---']), ...rows]
}

/** The unit of what is to be at most so much: a column of figures names its own. */
const unitOf = (group: Group): string => ('rows' in group ? '' : ' B')

function aimed(group: Group, { name, variant, atLeast, atMost }: Aim): string {
  const subject = variant === undefined ? name : `${name}, ${variant}`
  if (atLeast === undefined) return `${subject}: at most ${atMost}${unitOf(group)}`
  const [ratio, other] = atLeast
  return `${subject}: at least ${ratio} times the speed of ${other}`
}

function resultOf(group: Group, { name, variant, atLeast, atMost = 0 }: Aim, measured: Lookup): [string, string] {
  const own = measured(name, variant)
  if (atLeast === undefined) {
    const values = boundedOf(group, own)
    const range = rangeOf('rows' in group ? values : values.map(Math.round))
    return [`${shownRange(range)}${unitOf(group)}`, yesOrNo(range.median <= atMost)]
  }
  const ratio = ratioOf(measured(atLeast[1], variant)?.values ?? [], own?.values ?? [])
  return [shownRange(ratio), yesOrNo(ratio.median >= atLeast[0])]
}

function boundedOf(group: Group, measured: Measured | undefined): readonly number[] {
  if (!('cases' in group)) return measured?.values ?? []
  return measured?.bytes === undefined ? [] : [measured.bytes]
}

const yesOrNo = (met: boolean): string => (met ? 'yes' : '**no**')

export const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
