import { ConfigError } from '@cinelake/core'

/**
 * A service that may not load, told before it loads anything.
 * @param statements what an administrator of the database runs for it
 */
export function missingRights(location: string, service: string, statements: readonly string[]): ConfigError {
  return new ConfigError('the warehouse cannot be loaded', [
    `${location}: expected the rights of a loader, got ${service}, which lacks some; an administrator of the database runs: ${statements.join('; ')}`,
  ])
}
