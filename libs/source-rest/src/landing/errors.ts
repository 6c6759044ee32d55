import { defineErrors, terminal, TerminalError, TransientError } from '@cinelake/core'
import type { QualityResult } from '@cinelake/contracts'

/** Records that differ from the contract, in a dataset with `drift: fail`. */
export class SchemaDriftError extends TerminalError {
  readonly code = 'REST_SCHEMA_DRIFT'
  readonly quality: readonly QualityResult[]

  constructor(source: string, dataset: string, quality: readonly QualityResult[]) {
    const problems = quality.map(({ rule, detail = '' }) => `${rule}: ${detail}`).join('; ')
    super(
      `records are not as they should be [source=${source} dataset=${dataset}]: expected the fields of the contract, got others (${problems}); bring the contract up to date, or say \`drift: evolve\`, \`rescue\` or \`ignore\``,
      { source, dataset },
    )
    this.quality = quality
  }
}

/** Another worker reads the same pages and is ahead. */
export class LandingTakenError extends TransientError {
  readonly code = 'REST_LANDING_TAKEN'

  constructor(path: string) {
    super(
      `another worker lands the same pages [path=${path}]: expected to be the only one, got its pages; the next attempt continues after them`,
      { path },
    )
  }
}

/** The answers that were kept are too old to be continued. */
export class StaleAnswersError extends TransientError {
  readonly code = 'REST_ANSWERS_STALE'

  constructor(folder: string) {
    super(
      `answers that were kept are too old to be continued [folder=${folder}]: expected the last one to be of the last 24 hours, got an older one; they are removed, and all pages are requested again`,
      { folder },
    )
  }
}

export const restLandingErrors = defineErrors({
  /** The parent of a dataset has not landed. */
  REST_PARENT_MISSING: terminal((dataset: string, parent: string, problem: string) => [
    `rows to start from are missing [dataset=${dataset} parent=${parent}]: expected them in its landed file, got ${problem}; run \`ingest\` of \`${parent}\` first, or correct the name`,
    { dataset, parent, problem },
  ]),

  /** Items of a list that would overwrite the key columns of their parent. */
  REST_EXPLODE_CLASH: terminal((dataset: string, parent: string, column: string) => [
    `items of a list cannot be rows [dataset=${dataset} parent=${parent}]: expected ${column} to be the column that tells whose they are and where they were, got a field of that name in an item; take the list out of \`explode\`, or call the parent otherwise`,
    { dataset, parent, column },
  ]),
})
