export type { Consumer, ConsumeOptions, DeadLetter, Delivery, MessageBus, MessageHandler } from './bus.ts'
export {
  busEntities,
  ENTITY_PROPERTIES,
  EVENTS_TOPIC,
  isEntityName,
  type BusEntities,
  type EntityChoice,
  type EntityProperties,
} from './entities.ts'
export { armTemplate, emulatorConfig } from './entity-formats.ts'
export { busEnv, busSettings, type BusSettings } from './settings.ts'
export { commandCodec, eventCodec, type Codec } from './codec.ts'
export { busErrors, LockLostError } from './errors.ts'
export { busTaskErrors } from './tasks/errors.ts'
export type { WithQuality } from './tasks/task-reporter.ts'
export type { CommandOf, TaskContext, TaskHandler, TaskHandlers, TaskOutcome, TaskWorker } from './tasks/task.ts'
export { runTaskWorker } from './tasks/task-worker.ts'
export { systemTimers, type Timers } from './memory/timers.ts'
