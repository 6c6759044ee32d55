export { AS_SECRET, checkShape, mapping } from './check-shape.ts'
export {
  filled,
  isKept,
  isSecretField,
  isSecretHeader,
  isSecretParameter,
  MARKS,
  mayBeSecret,
  passwordIn,
  type Placeholder,
  placeholdersOf,
  secrecyOf,
  secretFieldsOf,
  secretPartsOf,
  secretText,
  secretWord,
  sensitivityOf,
  withoutPlaceholders,
} from './secrets.ts'
export { compare, formatProblem, Problems, type Place, type Problem } from './problem.ts'
export {
  duration,
  durationMs,
  isAbsolutePath,
  MAX_NAME_LENGTH,
  oneCharacter,
  plainName,
  size,
  sizeBytes,
  staysBelow,
  tableName,
  template,
  text,
  words,
} from './schema-words.ts'
export { asString, fieldOf, parseYaml, readYaml, type YamlPath, type YamlText } from './yaml-text.ts'
