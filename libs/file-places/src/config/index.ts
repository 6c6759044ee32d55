export { accessOf, accessText, type AccessText, checkedAccess, type CheckedAccess, filledAccess } from './access.ts'
export { checkAccess, type PlaceRules } from './check-access.ts'
