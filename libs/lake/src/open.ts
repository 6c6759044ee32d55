import type { TokenCredential } from '@azure/core-auth'
import { openByScheme, type Log } from '@cinelake/core'
import type { Lake } from './lake.ts'
import type { LakeSettings } from './settings.ts'

export type OpenLakeDeps = {
  readonly credential: () => Promise<TokenCredential>
  readonly log?: Log
  /** Limits the upload rate; a lake in a directory ignores it. */
  readonly throttle?: (bytes: number, signal?: AbortSignal) => Promise<void>
}

/**
 * Opens the configured lake. Adapters are loaded on demand: a start on one machine must not
 * load the SDKs of Azure.
 *
 * @throws {ConfigError} terminal: the address or the connection string cannot be used
 */
export async function openLake(settings: LakeSettings, { credential, log, throttle }: OpenLakeDeps): Promise<Lake> {
  const openAdls = async (): Promise<Lake> => {
    const { createAdlsLake } = await import('./adls/lake.ts')
    return await createAdlsLake({ ...settings, credential, ...(throttle && { throttle }) })
  }
  const lake = await openByScheme(
    settings.url,
    {
      file: async (directory): Promise<Lake> => {
        const { createDirectoryLake } = await import('./directory/lake.ts')
        return await createDirectoryLake(directory)
      },
      abfss: openAdls,
      abfs: openAdls,
    },
    'CINELAKE_LAKE',
  )
  log?.debug({ lake: lake.location }, 'lake opened')
  return lake
}
