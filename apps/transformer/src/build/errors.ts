import type { WithQuality } from '@cinelake/bus'
import type { QualityResult } from '@cinelake/contracts'
import { defineErrors, terminal, TerminalError, transient } from '@cinelake/core'

export const buildErrors = defineErrors({
  /** The pipeline has no model of the name that a command gives. */
  BUILD_MODEL_UNKNOWN: terminal((pipeline: string, model: string) => [
    `the pipeline has no such model [pipeline=${pipeline} model=${model}]: expected a file models/${model}.sql; plan the run again with the pipeline as it is now`,
    { pipeline, model },
  ]),

  /** A table that a model reads does not exist in the version that the command pins. */
  BUILD_INPUT_MISSING: terminal((model: string, table: string, version: number | null) => [
    `a model's input is not in the lake [model=${model} table=${table} version=${version ?? 'none given'}]: expected the table that the plan made before it; run the window again from the task that makes it`,
    { model, table, version },
  ]),

  /** A table of another pipeline that a model uses does not exist yet. The other pipeline may be about to make it. */
  BUILD_USED_TABLE_MISSING: transient((model: string, table: string) => {
    const [pipeline = '', name = ''] = table.split('.')
    return [
      `a table of another pipeline is not there yet [model=${model} table=${table}]: expected the pipeline ${pipeline} to have made ${name}, got none; run ${pipeline} first, then this window again`,
      { model, table, pipeline },
    ]
  }),
})

/** A rule of severity `fail` is broken, so that nothing of the result is published. */
export class BuildRuleFailedError extends TerminalError implements WithQuality {
  readonly code = 'BUILD_RULE_FAILED'
  readonly rule: string
  readonly quality: readonly QualityResult[]

  /** @param quality results of all rules, including the failed one */
  constructor(
    broken: {
      readonly model: string
      readonly rule: string
      readonly found: string
      /** The window whose rejects have the rows; absent for a rule about the table. */
      readonly seenIn?: string
    },
    quality: readonly QualityResult[],
  ) {
    const { model, rule, found, seenIn } = broken
    const rows = seenIn === undefined ? '' : `\`cinelake rejects ${model} --window ${seenIn}\` shows the rows; `
    super(
      `a rule of the model does not hold [model=${model} rule=${rule}]: ${found}; the table keeps what it had: ${rows}correct the data or the rule and run the window again`,
      { model, rule, found },
    )
    this.rule = rule
    this.quality = quality
  }
}
