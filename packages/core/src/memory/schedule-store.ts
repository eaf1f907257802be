import type { ScheduleStore } from '../ports/schedule-store.ts'
import type { Access } from './access.ts'
import type { Contents } from './contents.ts'
import { appendAll } from './log.ts'

/** The schedules, as an opening gives them out. */
export function scheduleStoreOf(contents: Contents, { checkOpen, write, writeMessages }: Access): ScheduleStore {
  const { schedules } = contents
  return {
    dueAt: async (name) => {
      checkOpen()
      return schedules.get(name)
    },
    put: (name, dueAt) => write(() => void schedules.set(name, dueAt)),
    fire: (name, { dueAt, next, message }) =>
      writeMessages([message], () => {
        if (schedules.get(name) !== dueAt) return false
        schedules.set(name, next)
        appendAll(contents, [message])
        return true
      }),
    remove: (name) => write(() => schedules.delete(name)),
  }
}
