import { InvalidOption, shown } from '../../errors.ts'
import { isMessageType, type MessageType } from '../../message/message-type.ts'

/** Whether a message is an instance of this class, or of one that extends it; or is this string. */
export function isMessageOf(type: MessageType, message: object | string): boolean {
  return typeof type === 'string' ? message === type : message instanceof type
}

/** @throws {InvalidOption} for what is neither a class nor a string. */
export function checkMessageType(where: string, type: unknown): void {
  if (isMessageType(type)) return
  throw new InvalidOption(`${where} was given ${shown(type)}. Pass a message class, or a string that is a message.`)
}
