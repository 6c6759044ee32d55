export {
  type Landed,
  landObject,
  landOnce,
  manifestBefore,
  manifestOf,
  newestManifest,
  newestManifestPath,
  readManifest,
  windowFolder,
} from './landing/landing.ts'
export { lakeErrors, LakeObjectMissingError, LakeUnavailableError } from './errors.ts'
export type { CallOptions, Lake, LocalFiles } from './lake.ts'
export { pathProblem } from './path.ts'
export { openScratchSpace, type ScratchSpace } from './scratch-space.ts'
export { lakeEnv, lakeSettings, type LakeSettings } from './open.ts'
