export { manifestBefore } from './landing/manifest-before.ts'
export { newestManifest, newestManifestPath } from './landing/newest-manifest.ts'
export { lakeErrors, LakeObjectMissingError, LakeUnavailableError } from './errors.ts'
export type { CallOptions, Lake, LakeObject, LocalFile, LocalFiles, Written } from './lake.ts'
export {
  type Landed,
  landingErrors,
  type LandingLake,
  landObject,
  landOnce,
  manifestOf,
  readManifest,
  windowFolder,
} from './landing/landing.ts'
export { pathProblem } from './path.ts'
export { openScratchSpace, type ScratchSpace } from './scratch-space.ts'
export { lakeEnv, lakeSettings, type LakeSettings } from './settings.ts'
