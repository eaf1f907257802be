import type { Notices } from '@iambus/core'
import { subscribe } from 'node:diagnostics_channel'

/** Listens to what the bus has to say under this name. */
export function onNotice<N extends keyof Notices>(name: N, listener: (notice: Notices[N]) => void): void {
  // What is published on the channel of this name has this type.
  subscribe(`iambus:${name}`, (notice) => listener(notice as Notices[N]))
}
