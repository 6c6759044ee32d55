/** Why a record cannot be a row, in words without values. */
export class RecordProblem extends Error {
  readonly expected: string
  readonly got: string
  /** What the pipeline's text can say to make it one, where it can. */
  readonly remedy: string | undefined

  constructor(expected: string, got: string, remedy?: string) {
    super(`expected ${expected}, got ${got}`)
    this.expected = expected
    this.got = got
    this.remedy = remedy
  }
}
