import path from 'node:path'
import { ConfigError } from '@cinelake/core'
import {
  type CheckedPipeline,
  type Problem,
  type ReadResult,
  createSqlTyper,
  formatProblem,
  readPipeline,
} from '@cinelake/pipeline'
import type { Settings } from '@cinelake/service'
import { realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { openEngine, openSecrets } from './open-parts.ts'
import type { PlatformConfig } from './settings.ts'

/** The pipeline that comes with Cinelake, which `cinelake demo` runs. */
export const SHIPPED_PIPELINE = fileURLToPath(new URL('../../../pipelines/ott', import.meta.url))

/** The name of its folder in run histories: another installation has it at another path. */
const SHIPPED_ORIGIN = 'the pipeline that comes with Cinelake'

/** The canonical path of a pipeline's folder in the run history, however it is written on the command line. */
export async function originOf(folder: string): Promise<string> {
  const place = await realpath(folder)
  return place === (await shippedPlace()) ? SHIPPED_ORIGIN : place
}

async function isShipped(folder: string): Promise<boolean> {
  return (await realpath(folder).catch(() => undefined)) === (await shippedPlace())
}

async function shippedPlace(): Promise<string | undefined> {
  return await realpath(SHIPPED_PIPELINE).catch(() => undefined)
}

/** The environment of this machine that a folder's text is also checked against. */
type Surroundings = {
  readonly config: PlatformConfig
  readonly settings: Settings
  /** The severity of a missing setting or secret. Default: `error`. */
  readonly missing?: 'error' | 'warning'
}

export type FolderReading = {
  /** Absent when there is an error among the problems. */
  readonly pipeline?: CheckedPipeline
  readonly problems: readonly Problem[]
  /** The places of tables and their columns in the text. */
  readonly places: ReadResult['places']
}

/**
 * Reads a pipeline's folder: the pipeline if it is valid, and every problem.
 * @param surroundings checks that every setting and secret that the text names exists; if omitted, only the text is
 * checked
 */
export async function readFolder(
  folder: string,
  { engine }: Pick<PlatformConfig, 'engine'>,
  surroundings?: Surroundings,
): Promise<FolderReading> {
  // An engine over empty tables finds the types of models: nothing is stored, so the state directory is not touched.
  await using typing = await openEngine({
    engine: { ...engine, threads: 1, scratchDirectory: path.join(tmpdir(), 'cinelake') },
  })
  await using session = await typing.session()
  const typer = createSqlTyper(session)
  if (surroundings === undefined) return await readPipeline(path.resolve(folder), { typer })
  const { config, settings, missing = 'error' } = surroundings
  await using secrets = await openSecrets(config, settings)
  const hasSecret = (name: string) => secrets.has(name)
  return await readPipeline(path.resolve(folder), { typer, settings, hasSecret, missing })
}

/** Reads the pipeline of a folder, which must be valid. @throws {ConfigError} terminal: every error in the folder */
export async function usablePipeline(
  folder: string,
  config: Pick<PlatformConfig, 'engine'>,
  surroundings?: Surroundings,
): Promise<CheckedPipeline> {
  return (await usableFolder(folder, config, surroundings)).pipeline
}

/** The same, with the places of its tables. @throws {ConfigError} terminal: every error in the folder */
export async function usableFolder(
  folder: string,
  config: Pick<PlatformConfig, 'engine'>,
  surroundings?: Surroundings,
): Promise<{ readonly pipeline: CheckedPipeline; readonly places: ReadResult['places'] }> {
  const { pipeline, problems, places } = await readFolder(folder, config, surroundings)
  if (pipeline !== undefined) return { pipeline, places }
  const errors = problems.filter(({ severity }) => severity === 'error')
  const isOfDemo = surroundings !== undefined && (await isShipped(folder))
  const demo = isOfDemo ? ['`cinelake demo` runs this pipeline, with a sample company that has all of it'] : []
  throw new ConfigError(`the pipeline in ${folder} cannot be used`, [...errors.map(formatProblem), ...demo])
}
