import type { CheckedPipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/run-store'
import { CALL, shellArgument } from '../call.ts'
import { DEFAULT_STATE } from '../options.ts'

/** Commands that go on from a demo, each as it is typed. */
export function lookFurther(pipeline: CheckedPipeline, runs: readonly RunRecord[], state: string): string[] {
  const at = state === DEFAULT_STATE ? '' : ` --state ${shellArgument(state)}`
  const last = runs.at(-1)
  const served = pipeline.serve[0]
  const rejected = [...(last?.tasks ?? [])]
    .filter(({ kind }) => kind === 'refine')
    .sort((one, other) => (other.balance?.rejected ?? 0) - (one.balance?.rejected ?? 0))[0]
  return [
    `${CALL} tables${at}`,
    ...(served === undefined ? [] : [`${CALL} query "SELECT * FROM ${served.as} LIMIT 5"${at}`]),
    ...(last === undefined ? [] : [`${CALL} status ${last.id}${at}`]),
    ...(rejected === undefined ? [] : [`${CALL} rejects ${rejected.name.replace('refine ', '')}${at}`]),
    ...(served === undefined ? [] : [`${CALL} history ${served.table}${at}`]),
  ]
}
