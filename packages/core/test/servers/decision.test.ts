import { describe, expect, test } from 'vitest'
import { decide, saysLeftOut } from './decision.ts'
import { commandsToInstall } from './install.ts'
import { look } from './look.ts'
import { postgres } from './postgres.ts'
import type { Server } from './server.ts'

const url = 'postgres://there'
const binaries = '/bin'

describe('tests that share a server', () => {
  test.each([
    [
      { url, binaries, installation: 'possible' },
      { kind: 'use', url },
    ],
    [
      { url, binaries: undefined, installation: 'possible' },
      { kind: 'use', url },
    ],
    [
      { url: undefined, binaries, installation: 'possible' },
      { kind: 'start', binaries },
    ],
    [{ url: undefined, binaries: undefined, installation: 'possible' }, { kind: 'install' }],
    [{ url: undefined, binaries: undefined, installation: 'impossible' }, { kind: 'leave out' }],
    [{ url: undefined, binaries: undefined, installation: 'not asked for' }, { kind: 'leave out' }],
  ] as const)('with %o have %o', (found, decision) => {
    expect(decide('shared', found)).toEqual(decision)
  })
})

describe('tests with a server of their own', () => {
  test.each([
    [
      { url, binaries, installation: 'possible' },
      { kind: 'start', binaries },
    ],
    [{ url, binaries: undefined, installation: 'possible' }, { kind: 'install' }],
    [{ url, binaries: undefined, installation: 'not asked for' }, { kind: 'leave out' }],
    [{ url: undefined, binaries: undefined, installation: 'impossible' }, { kind: 'leave out' }],
  ] as const)('with %o have %o', (found, decision) => {
    expect(decide('own', found)).toEqual(decision)
  })
})

describe('what is said of tests that are left out', () => {
  test('names all that would help', () => {
    expect(saysLeftOut(postgres, ['shared', 'own'], 'not asked for')).toBe(
      'LEFT OUT for want of a PostgreSQL: the tests of postgres (which use one) and postgres-own (which stop and restart one). ' +
        'Run `npm test -- --install` as root on Debian or Ubuntu, or install PostgreSQL yourself; ' +
        'for the former, `docker compose up -d` or IAMBUS_POSTGRES_URL will do.',
    )
  })

  test('does not name a URL to those who need a server of their own', () => {
    expect(saysLeftOut(postgres, ['own'], 'not asked for')).toBe(
      'LEFT OUT for want of a PostgreSQL: the tests of postgres-own (which stop and restart one). ' +
        'Run `npm test -- --install` as root on Debian or Ubuntu, or install PostgreSQL yourself.',
    )
  })

  test('does not ask for what has been tried', () => {
    expect(saysLeftOut(postgres, ['own'], 'impossible')).toContain(
      'Have --install done by root, on Debian or Ubuntu, or',
    )
  })
})

test('an installation takes two commands', () => {
  expect(commandsToInstall(postgres).map((command) => command.join(' '))).toEqual([
    'apt-get update',
    'apt-get install --yes --no-install-recommends postgresql',
  ])
})

describe('a search', () => {
  const asked: string[] = []
  const server = (answering: string): Server => ({
    ...postgres,
    usualUrls: () => ['first', 'second'],
    ask: async (asks) => {
      asked.push(asks)
      if (asks !== answering) throw new Error('refused')
    },
  })

  test('finds the server that the environment names, and asks no other', async () => {
    asked.length = 0
    const found = await look(server('given'), { IAMBUS_POSTGRES_URL: 'given' })
    expect([found.url, asked]).toEqual(['given', ['given']])
  })

  test('refuses to go on with another than the environment names', async () => {
    await expect(look(server('first'), { IAMBUS_POSTGRES_URL: 'postgres://me:secret@given/x' })).rejects.toThrow(
      'IAMBUS_POSTGRES_URL names a PostgreSQL that does not answer: postgres://me:***@given/x',
    )
  })

  test('finds the first of the usual ones that answers, or none', async () => {
    expect(await look(server('second'), {})).toMatchObject({ url: 'second', installation: 'not asked for' })
    expect(await look(server('none'), {})).toMatchObject({ url: undefined })
  })
})

describe('PostgreSQL is looked for', () => {
  test('at its usual port, or the one that the environment names', () => {
    expect(postgres.usualUrls({})[0]).toBe('postgres://postgres@127.0.0.1:5432/postgres')
    expect(postgres.usualUrls({ IAMBUS_POSTGRES_PORT: '1' })[0]).toBe('postgres://postgres@127.0.0.1:1/postgres')
  })

  test('in the folder that the environment names, and no other', () => {
    expect(postgres.findBinaries({ ...process.env, IAMBUS_POSTGRES_BIN: '/nowhere' })).toBeUndefined()
  })

  test('and a port where nobody is does not answer', async () => {
    await expect(postgres.ask('postgres://postgres@127.0.0.1:1/postgres')).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
  })
})
