import { openByScheme } from '@cinelake/core'
import type { ModelRunner } from '@cinelake/engine'
import { createDuckDbRunner } from './duckdb-runner.ts'

/**
 * Opens the configured runner of models.
 * @param url `duckdb:`, the engine of the process
 * @throws {ConfigError} terminal: there is no runner for that address
 */
export async function openModelRunner(
  url: string,
  deps: Parameters<typeof createDuckDbRunner>[0],
): Promise<ModelRunner> {
  return await openByScheme(url, { duckdb: async () => createDuckDbRunner(deps) }, 'CINELAKE_ENGINE')
}
