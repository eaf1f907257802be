export { Dispatcher, dispatcher, type Handled } from './dispatcher.ts'
export type { DispatcherOptions, RouterOptions } from './dispatcher-options.ts'
export type { Delivery, Waiter } from './engine/delivery.ts'
export { Engine, type EngineParts } from './engine/engine.ts'
export type { Handler } from './engine/handler.ts'
export type { Outcome, OutcomeStatus } from './engine/outcome.ts'
export {
  Aborted,
  AttemptEnded,
  CodecError,
  type CodecErrorCode,
  ContractViolation,
  HandlerConstructionFailed,
  HandlerDoesNotExist,
  HandlerSignatureError,
  IambusError,
  ImproperlyConfigured,
  InvalidMessage,
  InvalidOption,
  LaneDeadlock,
  MaxDepthExceeded,
  MiddlewareFault,
  NonErrorThrown,
  NonRetryable,
  NotAccepting,
  ProviderFailed,
  QueueFull,
  RetryLater,
  StopDeadlock,
  Stopped,
  TimedOut,
  Unavailable,
  type Violation,
  WrongKind,
} from './errors.ts'
export { Codec } from './message/codec.ts'
export type { CodecOptions } from './message/codec-bounds.ts'
export {
  type DefinedClass,
  defineCommand,
  defineEvent,
  defineQuery,
  type PayloadSchema,
  type ResultOption,
  type SchemaClass,
} from './message/define.ts'
export * from './message/augmentable.ts'
export type { Envelope } from './message/envelope.ts'
export { Command, Event, type Kind, Query, type ResultOf } from './message/kind.ts'
export type { MessageClass, MessageType } from './message/message-type.ts'
export type { InputOf, OutputOf, SchemaIssue, SchemaResult, StandardSchema } from './message/standard-schema.ts'
export type { Notices, Observer } from './observe.ts'
export type { Limits, WorkerLimit } from './limits.ts'
export type { CapacityMarks, MessageOptions, PublishOptions, RequestOptions, StopOptions } from './options.ts'
export type { Clock, Timer } from './ports/clock.ts'
export type { Logger } from './ports/logger.ts'
export type { Binding, BindOptions } from './routing/binding.ts'
export type { Context } from './routing/context.ts'
export {
  AbstractHandler,
  type Deps,
  type HandlerClass,
  type HandlerFunction,
  type HandlerObject,
  type HandlerProtocol,
} from './routing/handler.ts'
export type { Middleware, MiddlewareDeps, Outgoing, OutgoingMiddleware } from './routing/middleware.ts'
export { type Module, type ModuleScope, module } from './routing/module.ts'
export { factory, type Provider, singleton } from './routing/providers.ts'
export type { Registrar } from './routing/register.ts'
export { EventRouter, RequestRouter, Router } from './routing/router.ts'
