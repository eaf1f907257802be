import { expect, test } from 'vitest'
import { readArguments } from './arguments.ts'

test.each([
  [[], { mayInstall: false, isEmbedded: false, projects: [], rest: [] }],
  [['--install'], { mayInstall: true, isEmbedded: false, projects: [], rest: [] }],
  [['--embedded', 'lanes'], { mayInstall: false, isEmbedded: true, projects: [], rest: ['lanes'] }],
  [
    ['-t', 'a title', '--project', 'unit', '--install', '--project=postgres', 'lanes'],
    { mayInstall: true, isEmbedded: false, projects: ['unit', 'postgres'], rest: ['-t', 'a title', 'lanes'] },
  ],
])('npm test -- %j', (given, read) => {
  expect(readArguments(given)).toEqual(read)
})
