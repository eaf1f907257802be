import { basename, dirname, posix } from 'node:path'
import ts from 'typescript-6'

/** A source file; its path is relative to `src`, with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

/** The journey of a message: each station knows those before it and none of those after it. */
const journey = [
  'message',
  'routing',
  'engine',
  'middleware',
  'time',
  'durability',
  'delivery',
  'limits.ts',
  'dispatcher-options.ts',
  'machine.ts',
  'bus.ts',
  'dispatcher.ts',
  'testing',
]
const shared = ['ports', 'errors.ts', 'store-errors.ts', 'options.ts', 'notices.ts', 'store-notices.ts', 'observe.ts']
/** Stores: each implements a port, and knows nothing else. Whoever puts the parts together chooses one. */
const adapters = ['memory', 'sqlite', 'postgres']
/** What shows that an adapter does what its port says: it knows the ports only, and nothing of the bus knows it. */
const suites = ['testing/conformance']
/** Where users test their handlers: the last station, which no other one knows, and not the door either. */
const kit = 'testing'
/** What stands apart, behind a subpath of its own: it knows what stores know, and a package that is an optional peer. */
const apart: Readonly<Record<string, string>> = { cron: 'croner' }
/** A package that an adapter takes where it is installed: an optional peer. */
const drivers: Readonly<Record<string, string>> = { postgres: 'pg' }
const door = 'index.ts'

const drawers = ['utils', 'lib', 'common', 'base', 'helpers', 'types', 'interfaces']
const maxLines = 300
const isTest = (path: string): boolean => /\.(test|test-d)\.ts$/.test(path)

/** Finds imports that point against the journey or leave the package. */
export function wrongImports(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !isTest(path))
    .flatMap((file) => importsOf(file).map((found) => ({ path: file.path, ...found })))
    .filter(({ path, ...found }) => !isAllowed(path, found))
    .map(({ path, specifier }) => `${path} imports ${specifier}`)
}

/** The first segment of the path: the folder or file that has a place in the journey; a suite has one of its own. */
const placeOf = (path: string): string =>
  suites.find((suite) => path.startsWith(`${suite}/`)) ?? path.split('/')[0] ?? path

function isAllowed(importer: string, { specifier, typeOnly }: Import): boolean {
  const from = placeOf(importer)
  if (!specifier.startsWith('.'))
    return specifier.startsWith('node:') || [apart[from], drivers[from]].includes(specifier)
  const to = placeOf(posix.join(posix.dirname(importer), specifier))
  if (from === door) return to !== door && to !== kit && !(to in apart)
  if (shared.includes(from)) return shared.includes(to) || (to === 'message' && typeOnly)
  if ([...adapters, ...suites].includes(from) || from in apart) return shared.includes(to) || to === from
  if (to in apart) return false
  if (adapters.includes(to)) return from === 'machine.ts' || (from === kit && to === 'memory')
  if (!journey.includes(from)) return false
  return shared.includes(to) || (journey.includes(to) && journey.indexOf(to) <= journey.indexOf(from))
}

/** Finds files and folders that have no place in the journey. */
export function strangers(files: readonly SourceFile[]): string[] {
  const known = [...journey, ...shared, ...adapters, ...suites, ...Object.keys(apart), door]
  return [...new Set(files.filter(({ path }) => !isTest(path)).map(({ path }) => placeOf(path)))].filter(
    (place) => !known.includes(place),
  )
}

/** Finds statements of `index.ts` that do more than pass on what another file exports. */
export function ownCodeOfTheDoor(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path === door)
    .flatMap((file) => parse(file).statements.map((statement) => ({ file, statement })))
    .filter(({ statement }) => !(ts.isExportDeclaration(statement) && statement.moduleSpecifier))
    .map(({ file, statement }) => `${file.path}: ${statement.getText().split('\n')[0]}`)
}

export function longFiles(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !isTest(path))
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > maxLines)
    .map(({ path, lines }) => `${path} has ${lines} lines`)
}

export function drawerFolders(files: readonly SourceFile[]): string[] {
  return [...new Set(files.map(({ path }) => dirname(path)))].filter((folder) =>
    folder.split('/').some((segment) => drawers.includes(segment)),
  )
}

export function misnamedFiles(files: readonly SourceFile[]): string[] {
  const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.int)?(\.test|\.test-d)?\.ts$/
  return files.map(({ path }) => path).filter((path) => !kebabCase.test(basename(path)))
}

/** Only the default logger may write to the console. */
export function consoleUses(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !isTest(path) && path !== 'ports/logger.ts')
    .filter((file) => nodesOf(parse(file)).some((node) => ts.isIdentifier(node) && node.text === 'console'))
    .map(({ path }) => path)
}

function importsOf(file: SourceFile): Import[] {
  return nodesOf(parse(file)).flatMap((node) => {
    const [specifier, typeOnly] = ts.isImportDeclaration(node)
      ? [node.moduleSpecifier, isTypeOnly(node.importClause)]
      : ts.isExportDeclaration(node)
        ? [node.moduleSpecifier, node.isTypeOnly || areTypes(node.exportClause)]
        : ts.isImportTypeNode(node)
          ? [ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true]
          : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
            ? [node.arguments[0], false]
            : []
    return specifier && ts.isStringLiteral(specifier)
      ? [{ specifier: specifier.text, typeOnly: typeOnly ?? false }]
      : []
  })
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false
  return clause.phaseModifier === ts.SyntaxKind.TypeKeyword || (!clause.name && areTypes(clause.namedBindings))
}

function areTypes(names: ts.NamedImportBindings | ts.NamedExportBindings | undefined): boolean {
  if (!names || !(ts.isNamedImports(names) || ts.isNamedExports(names))) return false
  return names.elements.length > 0 && names.elements.every((name) => name.isTypeOnly)
}

/** The node and all that is in it. */
function nodesOf(node: ts.Node): ts.Node[] {
  const nodes = [node]
  ts.forEachChild(node, (child) => {
    nodes.push(...nodesOf(child))
  })
  return nodes
}

function parse({ path, text }: SourceFile): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
}
