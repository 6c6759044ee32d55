export type { Consumer, DeadLetter, Delivery, MessageBus } from './bus.ts'
export {
  armTemplate,
  type BusEntities,
  busEntities,
  emulatorConfig,
  ENTITY_PROPERTIES,
  isEntityName,
} from './entities.ts'
export { busEnv, busSettings, type BusSettings } from './settings.ts'
export { commandCodec, eventCodec } from './codec.ts'
export { busErrors, LockLostError } from './errors.ts'
export {
  type CommandOf,
  runTaskWorker,
  type TaskContext,
  type TaskHandler,
  type TaskHandlers,
  type TaskOutcome,
  type WithQuality,
} from './tasks/task-worker.ts'
