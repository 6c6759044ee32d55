export { LakeObjectMissingError, LakeObjectTooLargeError, LakePathError, LakeUnavailableError } from './errors.ts'
export type { CallOptions, Lake, LakeObject, LocalFile, Written } from './lake.ts'
export {
  commitManifest,
  LandingChangedError,
  landObject,
  ManifestCorruptError,
  manifestOf,
  outcomeOf,
  readManifest,
  windowFolder,
  type LandingLake,
} from './landing.ts'
