import type { NewMessage } from './store.ts'

/** When the recurring schedules are due next. */
export interface ScheduleStore {
  /** When it is due, in milliseconds since 1970. */
  dueAt(name: string): Promise<number | undefined>
  /** Makes a schedule, or changes when it is due. */
  put(name: string, dueAt: number): Promise<void>
  /**
   * Appends the message, and has the schedule due at `next`, in one transaction, unless it is not due at `dueAt` any more:
   * somebody has fired it then. Tells whether it did.
   */
  fire(
    name: string,
    of: { readonly dueAt: number; readonly next: number; readonly message: NewMessage },
  ): Promise<boolean>
  remove(name: string): Promise<boolean>
}
