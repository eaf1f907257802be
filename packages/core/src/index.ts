export { Dispatcher, dispatcher } from './dispatcher.ts'
export type { DispatcherOptions, RouterOptions } from './dispatcher-options.ts'
export type { DeadLetterQuery, Edit } from './delivery/dead-letter-query.ts'
export { DeadLetters } from './delivery/dead-letters.ts'
export type { Every, Scheduled, ScheduledOptions, ScheduleOptions } from './time/schedule.ts'
export type { DeadLetterOptions, Redact, Redactable } from './engine/dead-letter-queue.ts'
export type { Delivery, Waiter } from './engine/delivery.ts'
export { Engine, type EngineParts } from './engine/engine.ts'
export type { Handler } from './engine/handler.ts'
export type { Handled, Outcome, OutcomeStatus } from './engine/outcome.ts'
export {
  Aborted,
  AttemptEnded,
  CodecError,
  ContractViolation,
  DeadLetterUnavailable,
  HandlerConstructionFailed,
  HandlerDoesNotExist,
  HandlerSignatureError,
  IambusError,
  ImproperlyConfigured,
  InvalidMessage,
  InvalidOption,
  LaneDeadlock,
  LaneParked,
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
export { dedupe, type DedupeOptions } from './middleware/dedupe.ts'
export { guarded, type Policy } from './middleware/guarded.ts'
export { logging, loggingOutgoing, type LoggingOptions } from './middleware/logging.ts'
export { rateLimited, type RateLimitedOptions, type RateLimiter } from './middleware/rate-limited.ts'
export { timing, timingOutgoing, type OutgoingTiming, type Timing, type TimingOptions } from './middleware/timing.ts'
export type { DeliveryNotice, Notices } from './notices.ts'
export type { Observer } from './observe.ts'
export type { Limits, WorkerLimit } from './limits.ts'
export type {
  CapacityMarks,
  DelayOptions,
  MessageOptions,
  MissedSchedules,
  OnDead,
  PublishOptions,
  RecordedOptions,
  RequestOptions,
  StopOptions,
} from './options.ts'
export type { Clock, Timer } from './ports/clock.ts'
export type {
  DeadLetter,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterStore,
  FailedAttempt,
  StoredLetter,
} from './ports/dead-letters.ts'
export type { Logger, LogLevel } from './ports/logger.ts'
export { AHEAD, Progress, type Span } from './ports/progress.ts'
export { ableNodes, type Lack, partitionsOf, type Ranked, type Renewal } from './ports/share.ts'
export { partitionOf } from './ports/stable-hash.ts'
export type {
  Claim,
  DeadLetterLog,
  Exception,
  Finding,
  LoggedMessage,
  NewMessage,
  OpenStore,
  Settlement,
  Store,
  StoredDeadLetter,
  StoredMessage,
  StoreOpening,
  StoreTransactions,
  Subscription,
  TypeRange,
} from './ports/store.ts'
export type { StoreStats } from './ports/store-stats.ts'
export type { ScheduleStore } from './ports/schedule-store.ts'
export type { When } from './ports/when.ts'
export { type Backoff, exponential, type ExponentialOptions, fixed, immediate } from './routing/backoff.ts'
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
export {
  deadLetter,
  discard,
  type ErrorFilter,
  type FailedDelivery,
  type Recover,
  type Recovery,
  retry,
  type RetryOptions,
  type WhenOptions,
} from './routing/recover.ts'
export type { Registrar } from './routing/register.ts'
export { EventRouter, RequestRouter, Router } from './routing/router.ts'
export {
  AlreadyCommitted,
  CommitDeadlock,
  ForeignTransaction,
  ProcessCrashed,
  StoreFailed,
  type StoreFailure,
} from './store-errors.ts'
