/** Where secrets are looked up by name. Values are fetched late, held briefly and never logged. */
export interface Secrets extends AsyncDisposable {
  /**
   * The value, without a line break at its end. An empty or blank one counts as none.
   * @throws {SecretMissingError} terminal: names the secret and where it was looked for, never a value
   * @throws {SecretUnusableError} terminal: it is there, and taken out of use
   * @throws {SECRETS_FORBIDDEN} terminal: this process may not read it
   * @throws {SecretsUnavailableError} transient
   */
  get(
    name: string,
    options?: { /** Look it up again: the one held was refused. */ readonly refresh?: boolean },
  ): Promise<string>
  /** Whether it is there and may be used, without a word of it in a message or a log. */
  has(name: string): Promise<boolean>
}
