export type { Consumer, ConsumeOptions, DeadLetter, Delivery, MessageBus, MessageHandler } from './bus.ts'
export {
  type BusEntities,
  ENTITY_PROPERTIES,
  EVENTS_TOPIC,
  type EntityChoice,
  type EntityProperties,
  armTemplate,
  busEntities,
  emulatorConfig,
  isEntityName,
} from './entities.ts'
export { busEnv, busSettings, type BusSettings } from './settings.ts'
export { commandCodec, eventCodec, type Codec } from './codec.ts'
export { busErrors, LockLostError } from './errors.ts'
export {
  type CommandOf,
  type TaskContext,
  type TaskHandler,
  type TaskHandlers,
  type TaskOutcome,
  type TaskWorker,
  type WithQuality,
  busTaskErrors,
  runTaskWorker,
} from './tasks/task-worker.ts'
export { systemTimers, type Timers } from './memory/timers.ts'
