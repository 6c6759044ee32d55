import path from 'node:path'
import { ConfigError } from '@cinelake/core'
import {
  type PipelineFolder,
  type Problem,
  createSqlTyper,
  formatProblem,
  openFolder,
  parseYaml,
  readPipeline,
} from '@cinelake/pipeline'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { type Document, isMap } from 'yaml'
import { openEngine } from '../open-parts.ts'
import type { PlatformConfig } from '../settings.ts'

export const PIPELINE_FILE = 'pipeline.yaml'

/**
 * Parses pipeline.yaml as a document that keeps its comments.
 * @throws {ConfigError} terminal: it does not exist, or is not YAML
 */
export async function openText(folder: string): Promise<{ readonly document: Document; readonly text: string }> {
  const file = path.join(folder, PIPELINE_FILE)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const problem = `${file}: ${error.message}; name a folder that has one, or make one with \`cinelake init DIR\``
    throw new ConfigError('there is no pipeline', [problem], { cause: error })
  })
  const { document, faults } = parseYaml(text)
  if (faults.length === 0 && isMap(document.contents)) return { document, text }
  const problems = faults.map((fault) => formatProblem({ severity: 'error', file, ...fault }))
  throw new ConfigError('the pipeline cannot be read', problems.length > 0 ? problems : [`${file}: expected a mapping`])
}

/**
 * Serialises such a document. Unchanged lines keep their text, also where the serialiser would place blanks
 * differently.
 * @param before the text that it was parsed from
 */
export function documentText(document: Document, before = ''): string {
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: true })
  const waiting = new Map<string, string[]>()
  for (const line of before.split('\n'))
    waiting.set(withoutBlanks(line), [...(waiting.get(withoutBlanks(line)) ?? []), line])
  const kept = text.split('\n').map((line) => waiting.get(withoutBlanks(line))?.shift() ?? line)
  // Blanks may be part of a text.
  const isSame = isDeepStrictEqual(parseYaml(kept.join('\n')).value, document.toJS())
  return isSame ? kept.join('\n') : text
}

const withoutBlanks = (line: string) => line.replaceAll(/ *([[\]{},]) */g, '$1').trimEnd()

/** A pipeline's folder in which some files differ from those on disk. */
export function withFiles(folder: string, files: Readonly<Record<string, string>>): PipelineFolder {
  const there = openFolder(path.resolve(folder))
  return {
    read: async (file) => files[file] ?? (await there.read(file)),
    async list(below) {
      const own = Object.keys(files).flatMap((file) =>
        path.posix.dirname(file) === below ? [path.posix.basename(file)] : [],
      )
      return [...new Set([...(await there.list(below)), ...own])].sort()
    },
    ...(there.other === undefined ? {} : { other: there.other }),
  }
}

/** Checks a folder as `validate` does. */
export async function problemsIn(
  folder: PipelineFolder,
  config: Pick<PlatformConfig, 'engine'>,
): Promise<readonly Problem[]> {
  const engine = { ...config.engine, scratchDirectory: path.join(tmpdir(), 'cinelake') }
  await using typing = await openEngine({ engine })
  await using session = await typing.session()
  return (await readPipeline(folder, { typer: createSqlTyper(session) })).problems
}

/** Characters. The longest name of a pipeline. */
const MAX_NAME = 63
const DAY_MS = 24 * 60 * 60 * 1000

/**
 * The text of a folder's pipeline.yaml, or of a new one where the folder has none.
 * @param now its first window is the day before: nothing is caught up by default
 */
export async function openOrBegin(
  folder: string,
  now: Date,
): Promise<{ readonly document: Document; readonly text: string; readonly isNew: boolean }> {
  if (existsSync(path.join(folder, PIPELINE_FILE))) return { ...(await openText(folder)), isNew: false }
  const start = new Date(now.getTime() - DAY_MS).toISOString().slice(0, 10)
  const text = `# Every key is explained in docs/pipeline.md.
pipeline: ${pipelineNameOf(folder)}
schedule: { every: day, timeZone: UTC, start: ${start} }

sources: {}

# What analysts get.
serve: []
`
  return { document: parseYaml(text).document, text, isNew: true }
}

/** Converts a folder's name to a valid pipeline name. */
export function pipelineNameOf(folder: string): string {
  const plain = path
    .basename(path.resolve(folder))
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^[^a-z]+|_+$/g, '')
    .slice(0, MAX_NAME)
  return plain === '' ? 'pipeline' : plain
}
