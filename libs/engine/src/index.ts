export type {
  EngineColumn,
  EngineLimits,
  EngineRow,
  EngineValue,
  QueryOptions,
  SqlEngine,
  SqlSession,
} from './engine.ts'
export { engineEnv, engineSettings } from './engine-settings.ts'
export {
  EngineBrokenError,
  EngineDiskFullError,
  EngineFileDamagedError,
  EngineFileError,
  EngineOutOfMemoryError,
  EngineStreamCutError,
  SqlFailedError,
  SqlInvalidError,
  type SqlPosition,
} from './errors.ts'
export { identifier, identifiers, literal } from './sql-text.ts'
