import { versions } from '../machine.ts'
import { runCase } from './run.ts'
import { type Scenario, scenarios } from './scenarios.ts'

/** Runs everything, and gives the document. */
export function report(): string {
  return `# Beside the peers

What three buses do when something goes wrong. Written by \`npm run compare\`, which runs each program of
[\`bench/src/probe\`](../bench/src/probe) in a process of its own; a test runs it again, and compares.

- ${versions(['@iambus/core', '@nestjs/core', '@nestjs/cqrs', 'emittery', 'rxjs'])}
- Each is used as its documentation shows it, with its default settings: iambus by a \`Dispatcher\`; @nestjs/cqrs in an
  application of \`NestFactory.createApplicationContext\` with \`CqrsModule.forRoot()\`; emittery by an \`Emittery\`, whose
  \`emit\` may be awaited or not: its documentation says that one usually would not want to.

How to read it: each line is something that happened, in the order of time. *the handler*, *the saga*, *the command*,
*starts*, *ends* and *runs* are written by the handlers; *the publisher* and *the caller* by whoever called the bus; *a listener is told* by
one that listens to what the bus offers for failures (the channel \`iambus:dead\`; \`UnhandledExceptionBus\`). *kept* is what the
bus still has afterwards (\`dp.deadLetters\`). *printed* is what else came to stdout and stderr, without stacks, ids and times.

${scenarios.map(section).join('\n\n')}
`
}

function section({ title, text, folder, facts, cases }: Scenario): string {
  const columns = cases.map((one) => ({ bus: one.bus, ...runCase(folder, one) }))
  const unknown = columns.flatMap((column) => [...column.facts.keys()]).find((fact) => !facts.includes(fact))
  if (unknown !== undefined) throw new Error(`A program of ${folder} saw '${unknown}', which is no row of its table.`)
  const rows = [
    ['', ...columns.map(({ bus }) => bus)],
    columns.map(() => '---').concat('---'),
    ...facts.map((fact) => [fact, ...columns.map((column) => lines(column.facts.get(fact) ?? []))]),
    ['printed', ...columns.map(({ printed }) => lines(printed))],
    ['exit code', ...columns.map(({ exit }) => exit)],
  ]
  return [`## ${title}`, '', text, '', ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n')
}

/** Lines within a cell. */
function lines(all: readonly string[]): string {
  return all.length === 0
    ? 'nothing'
    : all.map((line) => line.replaceAll('|', '\\|').replaceAll(/\n */g, '<br>')).join('<br>')
}
