import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { WindowLength } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { createFill } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { aSourcePipeline, fixedClock, recordingLog, temporaryDirectory, type IngestFields } from '@cinelake/testkit'
import type { FilesDataset, FilesSource } from './config/index.ts'
import { filesKind } from './files-tasks.ts'

type Given = {
  readonly sources: readonly FilesSource[]
  readonly every?: WindowLength
  readonly timeZone?: string
  /** What the agent's machine has in its environment, secrets included. */
  readonly settings?: Record<string, string>
}

/** An agent with a lake and a pipeline of these sources, on a disk of its own. */
export async function givenAgent({ settings = {}, ...given }: Given) {
  const stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(join(directory, 'lake')))
  const log = recordingLog()
  const fill = createFill({ settings, secrets: createEnvSecrets(settings) })
  const tasks = filesKind.createTasks({ lake, fill, clock: fixedClock(), log })
  const shop = await aSourcePipeline({ lake, directory }, { ...given, source: 'catalogue', dataset: 'titles' })

  return {
    ...shop,
    directory,
    lake,
    log,
    async ingest(fields: IngestFields = {}, signal?: AbortSignal, progress?: () => void) {
      const ingest = shop.command(fields)
      return await tasks.ingest(ingest, shop.placeOf(ingest.source), shop.context(signal, progress))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
export type Agent = Awaited<ReturnType<typeof givenAgent>>

/** A files source with one dataset `titles`. */
export function aFilesSource(fields: Partial<FilesDataset> & { path: string }): FilesSource {
  const { path, files = 'titles_{yyyy}{MM}{dd}*.csv', whenMissing = 'fail', ...rules } = fields
  return { type: 'files', name: 'catalogue', path, datasets: [{ ...rules, name: 'titles', files, whenMissing }] }
}

/** Writes files below a folder; names may hold folders. */
export async function drop(folder: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
  }
}
