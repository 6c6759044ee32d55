export {
  type Landed,
  type LandingLake,
  landObject,
  landOnce,
  landingErrors,
  manifestBefore,
  manifestOf,
  newestManifest,
  newestManifestPath,
  readManifest,
  windowFolder,
} from './landing/landing.ts'
export { lakeErrors, LakeObjectMissingError, LakeUnavailableError } from './errors.ts'
export type { CallOptions, Lake, LakeObject, LocalFile, LocalFiles, Written } from './lake.ts'
export { pathProblem } from './path.ts'
export { openScratchSpace, type ScratchSpace } from './scratch-space.ts'
export { lakeEnv, lakeSettings, type LakeSettings } from './open.ts'
