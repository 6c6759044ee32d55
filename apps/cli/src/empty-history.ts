import { landedFolder, refinedPath } from '@cinelake/contracts'
import { embeddedDirectory } from '@cinelake/database/open'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Terminal } from './output/terminal.ts'
import type { Platform } from './platform.ts'
import { historyDirectories, type PlatformConfig } from './settings.ts'

/**
 * Warns where a pipeline has no runs in the run history and its tables or manifests are in the lake: the history is lost,
 * or it is in another database. A run continues all the same, since tasks find what they have made; but a table that was
 * lost cannot be told from one that never was.
 */
export async function warnOfEmptyHistory(
  { scheduler, lake }: Pick<Platform, 'scheduler' | 'lake'>,
  pipeline: string,
  config: Pick<PlatformConfig, 'stateDirectory' | 'database'>,
  terminal: Terminal,
): Promise<void> {
  if ((await scheduler.windows(pipeline)).size > 0) return
  const folders = [refinedPath(pipeline, ''), landedFolder(pipeline, '')]
  const found = await Promise.all(folders.map(async (folder) => await holdsAny(lake, folder.replace(/\/$/, ''))))
  if (!found.includes(true)) return
  const { usual, former } = historyDirectories(config.stateDirectory)
  const own = embeddedDirectory(config.database)
  const others = [usual, former].filter(
    (directory) =>
      (own === undefined || path.resolve(own) !== path.resolve(directory)) &&
      existsSync(path.join(directory, 'PG_VERSION')),
  )
  const where =
    others.length === 0
      ? 'the address of the database that has it'
      : others.map((each) => `pglite:${each}`).join(' or ')
  terminal.note(
    terminal.paint(
      'yellow',
      `warning: the run history has no runs of pipeline ${pipeline}, but the lake has its data [lake=${lake.location}]: ` +
        'tables that were lost are not noticed. ' +
        `If the history is elsewhere, set CINELAKE_DATABASE to ${where} and run again; if it is lost, this run begins a new one\n`,
    ),
  )
}

async function holdsAny(lake: Pick<Platform['lake'], 'list'>, folder: string): Promise<boolean> {
  for await (const _ of lake.list(folder)) return true
  return false
}
