import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

/** Runs the program beside this file, and sends it a signal when it first says a word. */
async function run(how: string, signalAt: Readonly<Record<string, NodeJS.Signals>> = {}) {
  const program = join(import.meta.dirname, 'program.ts')
  const child = spawn(process.execPath, ['--experimental-strip-types', '--no-warnings', program, how])
  let [stdout, stderr] = ['', '']
  const unsaid = new Map(Object.entries(signalAt))
  child.stdout.on('data', (text) => {
    stdout += text
    for (const [word, signal] of unsaid) {
      if (!stdout.includes(word)) continue
      unsaid.delete(word)
      child.kill(signal)
    }
  })
  child.stderr.on('data', (text) => {
    stderr += text
  })
  const [code, signal] = await once(child, 'close')
  return { code, signal, stdout: stdout.trim().split('\n'), stderr }
}

describe('a process', () => {
  test('with shutdownSignals ends what it accepted, closes, and then ends by the signal', async () => {
    const { signal, stdout, stderr } = await run('', { ready: 'SIGTERM' })
    expect(stdout).toEqual([
      'started first with the file',
      'ready',
      'ended first',
      'started second with the file',
      'ended second',
      'closed',
    ])
    expect(signal).toBe('SIGTERM')
    expect(stderr).toBe('')
  })

  test('with a listener of its own for the signal is left to it after the stop', async () => {
    const { code, signal, stdout } = await run('own listener', { ready: 'SIGTERM' })
    expect(stdout).toContain('own listener')
    expect(stdout.at(-1)).toBe('closed')
    expect([code, signal]).toEqual([0, null])
  })

  test('that does not end after a first signal ends at the second', async () => {
    const { signal, stdout } = await run('never ends', { ready: 'SIGINT', stopping: 'SIGINT' })
    expect(signal).toBe('SIGINT')
    expect(stdout).toContain('stopping')
  })

  test('can end after a forced stop, though a handler never does', async () => {
    const { code, stdout, stderr } = await run('forced')
    expect([code, stdout.at(-1)]).toEqual([0, 'ready'])
    expect(stderr.trim().split('\n')).toHaveLength(2)
  })

  test('that a listener ends has written whatever there was to say', async () => {
    const { code, stderr } = await run('exits when told')
    expect(code).toBe(4)
    const ids = [...stderr.matchAll(/^\[iambus\] events\/fails .*\(id (\d),/gm)].map(([, id]) => id)
    expect(ids).toEqual(['1', '2', '3'])
  })

  test('that exits without a stop reports each delivery that it held', async () => {
    const { code, stderr } = await run('no signals')
    expect(code).toBe(3)
    expect(stderr.trim().split('\n')).toEqual([
      "[iambus] The process exited: 'work' was still running for events/worker. (id first, key 'k')",
      "[iambus] The process exited: 'work' was still waiting for events/worker. (id second, key 'k')",
      "[iambus] The process exited: 'work' was still delayed for events/worker. (id third, key 'k')",
    ])
  })
})
