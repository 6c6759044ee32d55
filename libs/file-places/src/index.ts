export {
  PlaceFileChangedError,
  PlaceFileForbiddenError,
  placeErrors,
  PlaceRefusedError,
  PlaceUnavailableError,
} from './errors.ts'
export type { FilePlace, PlaceFile, PlaceOptions, Selection } from './file-place.ts'
export { type PlaceAccess, type PlaceScheme, placeSchemeOf } from './place-address.ts'
export { openPlace, type PlaceDeps } from './open.ts'
