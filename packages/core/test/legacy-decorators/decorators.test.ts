import { expect, test } from 'vitest'

test('decorators in this folder are the legacy ones: a method decorator gets prototype, name and descriptor', () => {
  const calls: unknown[][] = []
  const record = (prototype: object, name: string, descriptor: PropertyDescriptor): void => {
    calls.push([prototype, name, descriptor])
  }

  class Handlers {
    @record
    handle(): void {}
  }

  expect(calls).toEqual([[Handlers.prototype, 'handle', expect.objectContaining({ writable: true })]])
})
