/** Why a record cannot become a row, as text without values. */
export class RecordProblem extends Error {
  readonly expected: string
  readonly got: string
  /** The setting in the pipeline's text that would make it one, if there is one. */
  readonly remedy: string | undefined

  constructor(expected: string, got: string, remedy?: string) {
    super(`expected ${expected}, got ${got}`)
    this.expected = expected
    this.got = got
    this.remedy = remedy
  }
}
