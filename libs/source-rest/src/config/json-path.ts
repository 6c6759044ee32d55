import { compile, JSONPathError } from 'json-p3'
import type { SourcePlace } from '@cinelake/source-kind'

/** Notations `$.a.b`, `$['a b']` and `$.a[0]`: a path to one place. */
const SINGLE = /^\$(?:\.[^.[\]*\s]+|\['[^']*'\]|\["[^"]*"\]|\[-?\d+\])*$/

/** Reports an invalid path. `single`: it must select one place only. */
export function checkJsonPath(
  jsonPath: string,
  { single }: { readonly single: boolean },
  { text, path, problems }: SourcePlace,
): void {
  if (SINGLE.test(jsonPath) || (!single && isJsonPath(jsonPath))) return
  problems.error(
    text.at(path),
    single && isJsonPath(jsonPath)
      ? `'${jsonPath}' may lead to several places in a JSON body`
      : `'${jsonPath}' is no path into a JSON body`,
    'expected `$` for the body itself or `$.field.field` for what is in it',
  )
}

/** Whether a text is JSONPath. Source: RFC 9535 */
function isJsonPath(text: string): boolean {
  try {
    compile(text)
    return true
  } catch (error) {
    if (error instanceof JSONPathError) return false
    throw error
  }
}
