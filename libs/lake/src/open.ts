import type { TokenCredential } from '@azure/core-auth'
import { type Log, openByScheme } from '@cinelake/core'
import { z } from 'zod'
import type { Lake } from './lake.ts'

const MIB = 1024 * 1024

/** The lake's part of the environment, for the settings of every program that opens one. */
export const lakeEnv = {
  CINELAKE_LAKE: z.string().default('file:.cinelake/lake'),
  /**
   * Secret: of the storage account, as the Azure portal shows it. Without it and a signature, the process's identity is
   * used.
   */
  CINELAKE_LAKE_CONNECTION_STRING: z.string().min(1).optional(),
  /** Secret: a shared access signature with the permissions racwdl. */
  CINELAKE_LAKE_SAS: z.string().min(1).optional(),
  CINELAKE_SCRATCH: z.string().default('.cinelake/scratch'),
  /** MiB. Limit of the local file cache of a remote lake. */
  CINELAKE_SCRATCH_MIB: z.coerce.number().int().min(64).default(10_240),
}

type LakeEnv = z.output<z.ZodObject<typeof lakeEnv>>

/** The options for opening a lake. */
export type LakeSettings = {
  /** `file:DIRECTORY` or `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net[/ROOT]` */
  readonly url: string
  readonly connectionString?: string
  readonly sas?: string
  /** The local file cache of a remote lake. */
  readonly scratch: { readonly directory: string; readonly limitBytes: number }
}

/** @param env as `lakeEnv` parsed it */
export function lakeSettings(env: LakeEnv): LakeSettings {
  const { CINELAKE_LAKE_CONNECTION_STRING: connectionString, CINELAKE_LAKE_SAS: sas } = env
  return {
    url: env.CINELAKE_LAKE,
    ...(connectionString !== undefined && { connectionString }),
    ...(sas !== undefined && { sas }),
    scratch: { directory: env.CINELAKE_SCRATCH, limitBytes: env.CINELAKE_SCRATCH_MIB * MIB },
  }
}

type OpenLakeDeps = {
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
