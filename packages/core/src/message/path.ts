/** The way to a value inside another, as a person reads it: `books[2].title`. Empty for the whole. */
export function pathOf(segments: readonly PropertyKey[]): string {
  return segments.map((segment, index) => written(segment, index === 0)).join('')
}

/** A path as an error message shows it: short, whoever wrote its names. */
export function shownPath(path: string): string {
  return path.length > 200 ? `${path.slice(0, 197)}...` : path
}

function written(segment: PropertyKey, isFirst: boolean): string {
  if (typeof segment !== 'string') return `[${String(segment)}]`
  if (/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(segment)) return isFirst ? segment : `.${segment}`
  return `[${JSON.stringify(segment)}]`
}
