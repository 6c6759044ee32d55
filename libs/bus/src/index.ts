export type { Consumer, ConsumeOptions, DeadLetter, Delivery, MessageBus, MessageHandler } from './bus.ts'
export { commandCodec, eventCodec, type Codec } from './codec.ts'
export { BusUnavailableError, LockLostError, MessageInvalidError, MessageTooLargeError } from './errors.ts'
export { BalanceBrokenError, CommandUnknownError } from './task-errors.ts'
export type { WithQuality } from './task-reporter.ts'
export {
  runTaskWorker,
  type CommandOf,
  type TaskContext,
  type TaskHandler,
  type TaskHandlers,
  type TaskOutcome,
  type TaskWorker,
} from './task-worker.ts'
export { systemTimers, type Timers } from './timers.ts'
