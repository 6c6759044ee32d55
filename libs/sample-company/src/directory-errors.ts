import { TerminalError } from '@cinelake/core'

/** A directory holds a sample company of another seed or scale. */
export class OtherCompanyError extends TerminalError {
  readonly code = 'SAMPLE_COMPANY_DIFFERS'
  constructor(directory: string, there: string, wanted: string) {
    super(
      `the directory holds another sample company [directory=${directory}]: expected ${wanted}, got ${there}; use the same scale and seed, or another or an empty directory`,
      { directory, there, wanted },
    )
  }
}

/** Another process, or this one, has the sample company of a directory open. */
export class DirectoryInUseError extends TerminalError {
  readonly code = 'SAMPLE_COMPANY_IN_USE'
  constructor(directory: string, holder: string, lockFile: string) {
    super(
      `the sample company is open already [directory=${directory}]: expected a directory that nobody uses, got ${holder}; wait until it has ended, use another directory, or, if that process no longer exists, delete ${lockFile}`,
      { directory, holder, lockFile },
    )
  }
}
