export { manifestBefore } from './landing/manifest-before.ts'
export { newestManifest, newestManifestPath } from './landing/newest-manifest.ts'
export {
  LakeObjectCorruptError,
  LakeObjectMissingError,
  LakeObjectTooLargeError,
  LakePathError,
  LakeScratchFullError,
  LakeScratchTooSmallError,
  LakeUnavailableError,
} from './errors.ts'
export type { CallOptions, Lake, LakeObject, LocalFile, LocalFiles, Written } from './lake.ts'
export {
  LandingChangedError,
  landObject,
  landOnce,
  ManifestCorruptError,
  manifestOf,
  readManifest,
  windowFolder,
  type Landed,
  type LandingLake,
} from './landing/landing.ts'
export { pathProblem } from './path.ts'
export { openScratchSpace, type ScratchSpace } from './scratch-space.ts'
export { lakeEnv, lakeSettings, type LakeSettings } from './settings.ts'
