import { Refusal } from './answer.ts'
import type { StorageRequest } from './request.ts'
import type { Node } from './state.ts'

/**
 * Checks If-Match and If-None-Match, or their `x-ms-source-` twins, against what is there.
 * @param taken what is wrong when something is there that must not be, in the words of the API that was called
 * @throws {Refusal} 304, 409 or 412
 */
export function checkConditions(
  { method, headers }: StorageRequest,
  node: Node | undefined,
  { prefix = '', taken = 'ConditionNotMet' } = {},
): void {
  const [wanted, unwanted] = [headers[`${prefix}if-match`], headers[`${prefix}if-none-match`]]
  if (wanted !== undefined && (node === undefined || (wanted !== '*' && wanted !== node.etag))) {
    throw notMet(prefix)
  }
  if (unwanted === undefined || node === undefined || (unwanted !== '*' && unwanted !== node.etag)) return
  if (method === 'GET' || method === 'HEAD') throw new Refusal(304, 'ConditionNotMet')
  throw unwanted === '*' && taken !== 'ConditionNotMet'
    ? new Refusal(409, taken, 'something is at this path already')
    : notMet(prefix)
}

function notMet(prefix: string): Refusal {
  return new Refusal(412, prefix === '' ? 'ConditionNotMet' : 'SourceConditionNotMet', 'the condition was not met')
}
