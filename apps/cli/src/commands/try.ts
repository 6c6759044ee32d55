import { ConfigError, makeDirectory } from '@cinelake/core'
import type { Problem } from '@cinelake/pipeline'
import { formatProblem } from '@cinelake/pipeline'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Document } from 'yaml'
import type { CommandContext } from '../command.ts'
import { openEngine } from '../open-parts.ts'
import { toJson } from '../output/format-value.ts'
import { platformConfig, type PlatformConfig } from '../settings.ts'
import { draftOf, type Draft } from '../try/draft.ts'
import { columnReadings, contractText, withDraft } from '../try/draft-text.ts'
import { openText, PIPELINE_FILE, problemsIn, textOf, withFiles } from '../try/folder-text.ts'
import { afterWriting, howToKey, howToSave } from '../try/next-steps.ts'
import { readSample } from '../try/read-sample.ts'
import { readTarget, type Target } from '../try/read-target.ts'
import type { Sample } from '@cinelake/source-kind'
import { showDraft } from '../try/show-draft.ts'
import { verifyDraft } from '../try/verify-draft.ts'
import { SAMPLE_ROWS } from '../options.ts'

export type Options = {
  readonly state?: string
  readonly rows: number
  readonly window?: string
  readonly write?: true
  readonly force?: true
  readonly showValues?: true
  readonly json?: true
}

export async function tryDataset(
  name: string,
  folder: string,
  options: Options,
  context: CommandContext,
): Promise<void> {
  const { terminal, settings, signal, clock, exitWith } = context
  const config = platformConfig(settings, options.state)
  const { document, text: textBefore } = await openText(folder)
  const target = await readTarget(folder, document, name)
  if (options.write === true) refuseToReplace(folder, target, options)
  const { rows: limit, window } = options
  const sample = await readSample(target, { config, settings, limit, window, now: clock(), signal })
  const draft = await verified(draftOf(sample, target.dataset), sample, config)
  const about = { pipeline: target.pipeline.name, dataset: target.dataset }
  const showValues = options.showValues === true
  const text = contractText(about.pipeline, about.dataset, draft, { showValues })
  const written =
    options.write === true ? await write(folder, { target, document, textBefore, draft, sample, config }) : []
  const next =
    options.write === true
      ? afterWriting({ folder, dataset: target.dataset }, { document, draft, sample })
      : howToSave({ name, folder, options: repeated(options) })
  const isKeyMissing = lacksKey(document, target, draft)
  // Same result as `validate`: the draft is written, and the exit code reports that it is incomplete.
  if (isKeyMissing && options.write === true) exitWith(2)
  if (options.json === true) {
    const columns = draft.columns.map(({ values, ...column }) => (showValues ? { ...column, values } : column))
    return terminal.print(
      `${toJson({ facts: sample.facts, columns, contract: text, columnsText: columnReadings(draft), keyMissing: isKeyMissing, written })}\n`,
    )
  }
  const { paint, print } = terminal
  print(`${showDraft(sample, draft, { paint, showValues })}\n`)
  print(written.length === 0 ? text : written.map((file) => `${paint('green', '✓')} ${file}\n`).join(''))
  if (isKeyMissing) print(`\n${paint('yellow', 'No key was found.')} ${howToKey(path.join(folder, target.contract))}`)
  print(`\n${next}`)
}

/** Whether a dataset's mode needs a key and no column was identified as the key. */
function lacksKey(document: Document, { source, dataset }: Target, { columns }: Draft): boolean {
  const said = (key: string) => document.getIn(['sources', source.name, 'datasets', dataset, key])
  return (said('mode') === 'merge' || said('duplicates') === 'fill') && !columns.some(({ isKey }) => isKey)
}

function refuseToReplace(folder: string, { contract }: Target, { force }: Options): void {
  const file = path.join(folder, contract)
  if (force === true || !existsSync(file)) return
  throw new ConfigError('the contract is there already', [`${file}: expected none; --force replaces it`])
}

async function verified(draft: Draft, sample: Sample, config: PlatformConfig): Promise<Draft> {
  await using engine = await openEngine({
    engine: { ...config.engine, scratchDirectory: path.join(tmpdir(), 'cinelake') },
  })
  await using session = await engine.session()
  return await verifyDraft(draft, sample, session)
}

type Writing = {
  readonly target: Target
  readonly document: Document
  readonly textBefore: string
  readonly draft: Draft
  readonly sample: Sample
  readonly config: PlatformConfig
}

/**
 * Writes the draft if its only problem for `validate` is a key that is still to be named; otherwise nothing. @returns
 * the files
 */
async function write(
  folder: string,
  { target, document, textBefore, draft, sample, config }: Writing,
): Promise<string[]> {
  const { contract, source, dataset, pipeline } = target
  const before = document.toJS() as unknown
  const problemsBefore = await problemsIn(withFiles(folder, {}), config)
  withDraft(document, { source: source.name, dataset }, draft, sample.pagination)
  const isChanged = !isDeepStrictEqual(document.toJS(), before)
  const files = {
    [contract]: contractText(pipeline.name, dataset, draft),
    ...(isChanged ? { [PIPELINE_FILE]: textOf(document, textBefore) } : {}),
  }
  const asked = lacksKey(document, target, draft)
    ? { ...files, [contract]: contractText(pipeline.name, dataset, withAnyKey(draft)) }
    : files
  const problems = newErrors(await problemsIn(withFiles(folder, asked), config), problemsBefore)
  if (problems.length > 0)
    throw new ConfigError('the draft does not fit into the pipeline; nothing was written', problems)
  for (const [file, text] of Object.entries(files)) {
    const place = path.join(folder, file)
    await makeDirectory(path.dirname(place))
    await writeFile(place, text)
  }
  return Object.keys(files).map((file) => path.join(folder, file))
}

/** With any key: the remaining problems have another cause. */
function withAnyKey(draft: Draft): Draft {
  const key = draft.columns.find(({ inferred: { type } }) => !type.endsWith('[]'))
  return { ...draft, columns: draft.columns.map((column) => (column === key ? { ...column, isKey: true } : column)) }
}

/** Errors that a change introduces; existing ones are not its concern. */
export function newErrors(after: readonly Problem[], before: readonly Problem[]): string[] {
  const known = new Set(before.map(({ message }) => message))
  return after.filter(({ severity, message }) => severity === 'error' && !known.has(message)).map(formatProblem)
}

/** Options that a second call needs to see the same rows. */
function repeated({ rows, window, force }: Options): string[] {
  return [
    ...(rows === SAMPLE_ROWS ? [] : ['--rows', String(rows)]),
    ...(window === undefined ? [] : ['--window', window]),
    ...(force === true ? ['--force'] : []),
  ]
}
