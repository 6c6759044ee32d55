import { parseYaml } from '@cinelake/pipeline'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Document } from 'yaml'
import { openText, PIPELINE_FILE } from '../try/folder-text.ts'

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
