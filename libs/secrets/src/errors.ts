import { defineErrors, terminal, TerminalError, TransientError } from '@cinelake/core'

/** Which secret an error is about, and where it was looked for: a file, a vault. */
export type SecretPlace = { readonly secret: string; readonly place: string }

const at = ({ secret, place }: SecretPlace) => `secret=${secret}, place=${place}`

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

export const secretErrors = defineErrors({
  /** A name that a store of secrets could not have. */
  SECRET_NAME_INVALID: terminal(
    (name: string, expected = 'letters, digits, `-`, `_` and `.`, beginning with a letter or digit') => [
      `secret name is not usable [secret=${JSON.stringify(name)}]: expected ${expected}; choose another name`,
      {
        secret: name,
      },
    ],
  ),

  /** The store of secrets knows who asks and says no, or does not know who asks. */
  SECRETS_FORBIDDEN: terminal((place: SecretPlace, reason: string, remedy: string) => [
    `secret may not be read [${at(place)}]: expected leave to read it, got ${reason}; ${remedy}`,
    { ...place, reason },
  ]),
})

/** A secret that is there, and that whoever keeps it has taken out of use. */
export class SecretUnusableError extends TerminalError {
  readonly code = 'SECRET_UNUSABLE'

  /** @param reason `disabled`, `expired at …` */
  constructor(place: SecretPlace, reason: string, options?: ErrorOptions) {
    super(
      `secret is not in use [${at(place)}]: expected one that is enabled and within its dates, got one that is ${reason}; put a new version of it there, or change its dates`,
      { ...place, reason },
      options,
    )
  }
}

/** The store of secrets does not answer for now. */
export class SecretsUnavailableError extends TransientError {
  readonly code = 'SECRETS_UNAVAILABLE'

  constructor(place: SecretPlace, reason: string, remedy: string, options?: ErrorOptions) {
    super(
      `secret cannot be read [${at(place)}]: expected an answer, got ${reason}; ${remedy}`,
      { ...place, reason },
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
