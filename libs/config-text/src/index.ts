export { AS_SECRET, checkShape, mapping } from './check-shape.ts'
export { placeholdersOf, withoutPlaceholders, type Placeholder } from './placeholders.ts'
export { compare, formatProblem, Problems, type Place, type Problem } from './problem.ts'
export { isAbsolutePath, staysBelow } from './relative-path.ts'
export {
  duration,
  durationMs,
  MAX_NAME_LENGTH,
  oneCharacter,
  plainName,
  size,
  sizeBytes,
  tableName,
  template,
  text,
  words,
} from './schema-words.ts'
export {
  isKept,
  isSecretField,
  isSecretHeader,
  isSecretParameter,
  passwordIn,
  secretPartsOf,
  secretWord,
} from './secret-parts.ts'
export {
  filled,
  MARKS,
  mayBeSecret,
  secretFieldsOf,
  secretText,
  secrecyOf,
  sensitivityOf,
  type Secrecy,
  type Sensitivity,
} from './secrets.ts'
export { parseYaml, readYaml, type ParsedYaml, type YamlFault, type YamlPath, type YamlText } from './yaml-text.ts'
