import { isExactNumber, type JsonValue } from '@cinelake/json-rows'
import type { RestDataset } from '../config/index.ts'
import { answerErrors, type RequestPlace } from '../errors.ts'
import { isAbsent, textOfValue } from './body-value.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import type { Body } from './read-body.ts'

/**
 * Some APIs report a failure with status 200.
 * @throws {REST_ANSWER_FAILED} transient: by the dataset's `failure`, the body says that the request failed
 * @throws {REST_ANSWER_REFUSED} terminal: the same, with `retry: false`
 */
export function throwIfFailed({ value }: Body, { failure }: RestDataset, place: RequestPlace): void {
  // A response without content says nothing.
  if (failure === undefined || value === null) return
  const { present, unless, retry } = failure
  const error = retry ? answerErrors.REST_ANSWER_FAILED : answerErrors.REST_ANSWER_REFUSED
  if (present !== undefined && !isNothing(valueAt(value, parseJsonPath(present)))) throw error(place, present)
  if (unless === undefined) return
  const found = valueAt(value, parseJsonPath(unless.path))
  if (found === undefined || textOfValue(found) !== String(unless.is)) throw error(place, unless.path)
}

/** Many APIs send the field for errors in every response: empty, null, false or zero. */
function isNothing(found: JsonValue | undefined): boolean {
  if (isAbsent(found) || found === 0) return true
  return typeof found === 'object' && !isExactNumber(found) && Object.keys(found).length === 0
}
