import { TerminalError, TransientError } from '@cinelake/core'

/** A secret that is looked up but was never put there. */
export class SecretMissingError extends TerminalError {
  readonly code = 'SECRET_MISSING'

  /** @param places where it was looked for, in order: names of variables, paths, a vault's address */
  constructor(name: string, places: readonly string[], options?: ErrorOptions) {
    super(
      `secret is missing [secret=${name}]: expected a value in ${places.join(' or ')}, got none; put it there`,
      { secret: name },
      options,
    )
  }
}

/** A name that no store of secrets could have. */
export class SecretNameError extends TerminalError {
  readonly code = 'SECRET_NAME_INVALID'

  constructor(name: string) {
    super(
      `secret name is not usable [secret=${JSON.stringify(name)}]: expected letters, digits, \`-\`, \`_\` and \`.\`, beginning with a letter or digit`,
      { secret: name },
    )
  }
}

/** The store of secrets does not answer or may not be read. */
export class SecretsUnavailableError extends TransientError {
  readonly code = 'SECRETS_UNAVAILABLE'

  constructor(name: string, place: string, reason: string, options?: ErrorOptions) {
    super(
      `secrets cannot be read [secret=${name}, place=${place}, reason=${reason}]: expected an answer, got ${reason}; check the mount and its permissions`,
      { secret: name, place, reason },
      options,
    )
  }
}

/** A pipeline's text asks for what this machine does not have, or cannot be understood. */
export class PlaceholderError extends TerminalError {
  readonly code = 'PLACEHOLDER_UNFILLED'
  readonly problems: readonly string[]

  /** @param problems one per placeholder, naming it and what would be right */
  constructor(problems: readonly string[]) {
    super(`placeholder cannot be filled: ${problems.join('; ')}`, {})
    this.problems = problems
  }
}
