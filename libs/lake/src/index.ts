export { LakeObjectMissingError, LakeObjectTooLargeError, LakePathError, LakeUnavailableError } from './errors.ts'
export type { CallOptions, Lake, LakeObject, LocalFile, Written } from './lake.ts'
export {
  LandingChangedError,
  landObject,
  landOnce,
  ManifestCorruptError,
  readManifest,
  windowFolder,
  type Landed,
  type LandingLake,
} from './landing.ts'
