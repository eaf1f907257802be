import { expect, test, vi } from 'vitest'
import { tell } from './tell.ts'

test.each([
  ['throws', () => { throw new Error('disk full') }, 'The record failed: disk full'], // prettier-ignore
  ['rejects', () => Promise.reject(new Error('disk full')), 'The record failed: disk full'],
  [
    'rejects with no Error',
    () => Promise.reject('disk'),
    'The record failed: Something that is no Error was thrown: "disk".',
  ],
])('one that %s is a process warning, and nothing else', async (_title, call, text) => {
  const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue()
  tell('The record', call)
  await Promise.resolve()
  expect(emitWarning.mock.calls).toEqual([[expect.stringContaining(text)]])
  emitWarning.mockRestore()
})
