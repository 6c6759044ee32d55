import { defineErrors, terminal, TerminalError, TransientError } from '@cinelake/core'

/** The secret that an error is about, and where it was looked up: a file, a vault. */
export type SecretPlace = { readonly secret: string; readonly place: string }

const at = ({ secret, place }: SecretPlace) => `secret=${secret}, place=${place}`

/** A secret that does not exist in the store. */
export class SecretMissingError extends TerminalError {
  readonly code = 'SECRET_MISSING'

  /** @param places where it was looked up, in order: names of variables, paths, a vault's address */
  constructor(name: string, places: readonly string[], options?: ErrorOptions) {
    super(
      `secret is missing [secret=${name}]: expected a value in ${places.join(' or ')}, got none; put it there`,
      { secret: name },
      options,
    )
  }
}

export const secretErrors = defineErrors({
  /** A name that is not valid in a secret store. */
  SECRET_NAME_INVALID: terminal(
    (name: string, expected = 'letters, digits, `-`, `_` and `.`, beginning with a letter or digit') => [
      `secret name is not usable [secret=${JSON.stringify(name)}]: expected ${expected}; choose another name`,
      {
        secret: name,
      },
    ],
  ),

  /** The secret store denied access: the identity lacks the permission or is unknown. */
  SECRETS_FORBIDDEN: terminal((place: SecretPlace, reason: string, remedy: string) => [
    `secret may not be read [${at(place)}]: expected leave to read it, got ${reason}; ${remedy}`,
    { ...place, reason },
  ]),
})

/** A secret that exists but is disabled or expired. */
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

/** The secret store is temporarily unavailable. */
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

/** A pipeline's text has a placeholder that this machine cannot resolve or that is malformed. */
export class PlaceholderError extends TerminalError {
  readonly code = 'PLACEHOLDER_UNFILLED'
  readonly problems: readonly string[]

  /** @param problems one per placeholder, with its name and what would be valid */
  constructor(problems: readonly string[]) {
    super(`placeholder cannot be filled: ${problems.join('; ')}`, {})
    this.problems = problems
  }
}
