/** Looks secrets up by name. Values are fetched late, cached briefly and never logged. */
export interface Secrets extends AsyncDisposable {
  /**
   * The value, without a line break at its end. An empty or blank one counts as none.
   * @throws {SecretMissingError} terminal: names the secret and where it was looked up, never a value
   * @throws {SecretUnusableError} terminal: it exists but is disabled or expired
   * @throws {SECRETS_FORBIDDEN} terminal: this process may not read it
   * @throws {SecretsUnavailableError} transient
   */
  get(
    name: string,
    options?: { /** Look it up again: the cached value was rejected. */ readonly refresh?: boolean },
  ): Promise<string>
  /** Whether it exists and may be used; no part of it gets into a message or a log. */
  has(name: string): Promise<boolean>
}
