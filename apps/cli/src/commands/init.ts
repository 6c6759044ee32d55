import path from 'node:path'
import { ConfigError, makeDirectory } from '@cinelake/core'
import { cp, readFile, readdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { CALL, type CommandContext, shellArgument } from '../command.ts'
import { toJson } from '../output/format-value.ts'
import { pipelineNameOf } from '../try/folder-text.ts'

/** A small pipeline that runs unchanged: files of orders to a table of sales by day. */
const STARTER = fileURLToPath(new URL('../../starter', import.meta.url))
/** The window of its sample files. */
const SAMPLE_WINDOW = '2026-03-01'

export async function init(
  folder: string,
  options: { readonly json?: true },
  { terminal }: CommandContext,
): Promise<void> {
  const target = path.resolve(folder)
  const refuse = (error: NodeJS.ErrnoException): never => {
    throw new ConfigError('the pipeline cannot be written', [`${folder}: ${error.message}`], { cause: error })
  }
  const there = await readdir(target).catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? [] : refuse(error),
  )
  if (there.length > 0) {
    throw new ConfigError('the pipeline cannot be written', [
      `${folder} holds ${there.length} entries: expected a new or empty folder`,
    ])
  }
  const pipeline = pipelineNameOf(folder)
  await writeStarter(target, folder, pipeline).catch(refuse)
  const files = (await readdir(target, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(target, path.join(entry.parentPath, entry.name)))
    .sort()
  if (options.json === true)
    return terminal.print(`${toJson({ folder: target, pipeline, files, window: SAMPLE_WINDOW })}\n`)
  terminal.print(`${files.map((file) => `  ${path.join(folder, file)}\n`).join('')}
The pipeline is called ${pipeline}. Now:
  ${CALL} validate ${shellArgument(folder)}
  ${CALL} run ${shellArgument(folder)} --window ${SAMPLE_WINDOW}
  ${CALL} query "SELECT * FROM sales_by_day"
`)
}

async function writeStarter(target: string, folder: string, pipeline: string): Promise<void> {
  await makeDirectory(target)
  await cp(STARTER, target, { recursive: true })
  await fillIn(path.join(target, 'pipeline.yaml'), folder, pipeline)
}

/**
 * The starter's files are in its folder; paths in a pipeline are relative to the working directory. Two folders are two
 * pipelines.
 */
async function fillIn(pipelineFile: string, folder: string, pipeline: string): Promise<void> {
  const text = await readFile(pipelineFile, 'utf8')
  await writeFile(
    pipelineFile,
    text.replace(/^pipeline: starter$/m, `pipeline: ${pipeline}`).replace('FOLDER', () => folder.replaceAll("'", "''")),
  )
}
