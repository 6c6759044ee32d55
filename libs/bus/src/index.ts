export type { Consumer, DeadLetter, Delivery, MessageBus } from './bus.ts'
export {
  type BusEntities,
  ENTITY_PROPERTIES,
  armTemplate,
  busEntities,
  emulatorConfig,
  isEntityName,
} from './entities.ts'
export { busEnv, busSettings, type BusSettings } from './settings.ts'
export { commandCodec, eventCodec } from './codec.ts'
export { busErrors, LockLostError } from './errors.ts'
export {
  type CommandOf,
  type TaskContext,
  type TaskHandler,
  type TaskHandlers,
  type TaskOutcome,
  type WithQuality,
  runTaskWorker,
} from './tasks/task-worker.ts'
