import { defineEvent } from '@iambus/core'

/** Somebody wants to move money. Its id is the transfer's own: a second message with it is the same transfer. */
export class TransferRequested extends defineEvent<{
  readonly from: string
  readonly to: string
  readonly euros: number
}>('bank.transfer-requested') {}
