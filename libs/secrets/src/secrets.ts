/** Where secrets are looked up by name. Values are fetched late, held briefly and never logged. */
export interface Secrets extends AsyncDisposable {
  /** @throws {SecretMissingError} terminal: names the secret and where it was looked for, never a value */
  get(
    name: string,
    options?: { /** Look it up again: the one held was refused. */ readonly refresh?: boolean },
  ): Promise<string>
  /** Whether it is there, without reading it into a message or a log. */
  has(name: string): Promise<boolean>
}
