import path from 'node:path'
import { ConfigError, makeDirectory } from '@cinelake/core'
import type { SqlSession } from '@cinelake/engine'
import { type Problem, formatProblem } from '@cinelake/pipeline'
import type { Sample } from '@cinelake/source-kind'
import { TRIED } from '@cinelake/transformer'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { type Document, isMap, isScalar, isSeq } from 'yaml'
import { CALL, type CommandContext, shellArgument } from '../command.ts'
import { openEngine } from '../open-parts.ts'
import { formatTable } from '../output/format-table.ts'
import { formatCount, toJson } from '../output/format-value.ts'
import type { Paint } from '../output/terminal.ts'
import { type PlatformConfig, platformConfig } from '../settings.ts'
import { columnReadings, contractText, withDraft } from '../try/draft-text.ts'
import { tryRows } from '../try/choose-types.ts'
import { type Draft, draftOf, type Looked } from '../try/draft.ts'
import { PIPELINE_FILE, openText, problemsIn, documentText, withFiles } from '../try/folder-text.ts'
import type { DraftColumn } from '../try/guess-key.ts'
import { type ReadSample, readSample } from '../try/read-sample.ts'
import { type Target, readTarget } from '../try/read-target.ts'

export type Options = {
  readonly state?: string
  readonly rows?: number
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
  await using scratch = await mkdtempDisposable(path.join(tmpdir(), 'cinelake-try-'))
  const directory = scratch.path
  await using engine = await openEngine({ engine: { ...config.engine, scratchDirectory: directory } })
  await using session = await engine.session()
  const { rows: limit, window } = options
  const read = await readSample(target, { config, settings, limit, window, now: clock(), signal, session, directory })
  const { sample, file } = read
  const looked: Looked =
    file === undefined
      ? { ...sample, tried: await tryRows(sample, session) }
      : { ...sample, columns: file.columns, isInOrder: file.isInOrder, tried: file }
  const draft = await draftOf(looked, target.dataset, session)
  const about = { pipeline: target.pipeline.name, dataset: target.dataset }
  const showValues = options.showValues === true
  const text = contractText(about.pipeline, about.dataset, draft, { showValues })
  const written =
    options.write === true ? await write(folder, { target, document, textBefore, draft, read, config, showValues }) : []
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
      `${toJson({ facts: sample.facts, columns, contract: text, columnsText: columnReadings(draft), read: file?.read ?? {}, keyMissing: isKeyMissing, written })}\n`,
    )
  }
  const { paint, print } = terminal
  const values = showValues ? await valuesOf(draft, looked, session) : undefined
  print(`${showDraft(sample, draft, { paint, rowCount: looked.tried.rowCount, values })}\n`)
  if (Object.keys(file?.read ?? {}).length > 0 && options.write !== true) print(`read: ${toJson(file?.read)}\n\n`)
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

type Writing = {
  readonly target: Target
  readonly document: Document
  readonly textBefore: string
  readonly draft: Draft
  readonly read: ReadSample
  readonly config: PlatformConfig
  readonly showValues: boolean
}

/**
 * Writes the draft if its only problem for `validate` is a key that is still to be named; otherwise nothing. @returns
 * the files
 */
async function write(
  folder: string,
  { target, document, textBefore, draft, read, config, showValues }: Writing,
): Promise<string[]> {
  const { contract, source, dataset, pipeline } = target
  const before = document.toJS() as unknown
  const problemsBefore = await problemsIn(withFiles(folder, {}), config)
  withDraft(document, { source: source.name, dataset }, draft, {
    read: read.file?.read ?? {},
    pagination: read.sample.pagination,
  })
  const isChanged = !isDeepStrictEqual(document.toJS(), before)
  const files = {
    [contract]: contractText(pipeline.name, dataset, draft, { showValues }),
    ...(isChanged ? { [PIPELINE_FILE]: documentText(document, textBefore) } : {}),
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
function repeated({ rows, window, force, showValues }: Options): string[] {
  return [
    ...(rows === undefined ? [] : ['--rows', String(rows)]),
    ...(window === undefined ? [] : ['--window', window]),
    ...(force === true ? ['--force'] : []),
    ...(showValues === true ? ['--show-values'] : []),
  ]
}

type Command = {
  /** `<source>/<dataset>` */
  readonly name: string
  readonly folder: string
  /** The options as given, so that the next command saves the columns that were displayed. */
  readonly options: readonly string[]
}

/** The command that saves the displayed draft. */
function howToSave({ name, folder, options }: Command): string {
  return `Save it:\n${line('try', name, folder, ...options, '--write')}`
}

/** How to proceed where a dataset needs a key and none was found. */
function howToKey(contract: string): string {
  return `The dataset cannot run without one: write \`primaryKey: true\` at the columns of ${contract}\nthat tell its rows apart.\n`
}

/** How to proceed with a contract that was written. */
function afterWriting(
  { folder, dataset }: { readonly folder: string; readonly dataset: string },
  { document, draft, sample }: { readonly document: Document; readonly draft: Draft; readonly sample: Sample },
): string {
  const window = sample.window === undefined ? [] : ['--window', sample.window]
  const next = `Now read the contract, and then:\n${line('validate', folder)}${line('run', folder, ...window)}`
  if (isServed(document, dataset)) return next
  const personal = draft.columns.flatMap((column) => (column.personal === undefined ? [] : [column.name]))
  const entry = personal.length === 0 ? dataset : `{ table: ${dataset}, exclude: [${personal.join(', ')}] }`
  return `${next}\nAnalysts see nothing of it until it stands in \`serve\` of ${PIPELINE_FILE}:\n  - ${entry}\n`
}

function line(...words: readonly string[]): string {
  return `  ${CALL} ${words.map(shellArgument).join(' ')}\n`
}

function isServed(document: Document, dataset: string): boolean {
  const serve = document.get('serve')
  if (!isSeq(serve)) return false
  return serve.items.some((item) =>
    isMap(item) ? item.get('table') === dataset : isScalar(item) && item.value === dataset,
  )
}

/** Values of a column that are shown on request. */
const SHOWN = 3
/** Characters of them. */
const SHOWN_WIDTH = 40

/** The inferred columns of a dataset, as a table. Without values it has none of the source. */
function showDraft(
  sample: Sample,
  draft: Draft,
  {
    paint,
    rowCount,
    values,
  }: { readonly paint: Paint; readonly rowCount: number; readonly values: readonly string[] | undefined },
): string {
  const rows = `${formatCount(rowCount)}${sample.isAll ? ', all there are' : ', the first'}`
  const facts = [...sample.facts, ['rows', rows] as const]
  const width = Math.max(...facts.map(([what]) => what.length))
  const lines = facts.map(([what, found]) => `${paint('dim', what.padEnd(width))}  ${found}\n`)
  const titles = ['column', 'type', 'empty', 'distinct', 'seems', ...(values === undefined ? [] : ['values'])]
  const cells = draft.columns.map((column, index) => [
    column.name,
    typeText(column),
    formatCount(column.emptyCount),
    formatCount(column.distinctCount),
    seems(column),
    ...(values === undefined ? [] : [values[index] ?? '']),
  ])
  const left = draft.leftOut.map(([name, why]) => `${paint('yellow', 'left out')} ${name}: ${why}\n`)
  return `${lines.join('')}\n${formatTable(
    titles.map((title) => ({ title, maxWidth: 70 })),
    cells,
    { paint },
  )}${left.join('')}`
}

function typeText({ inferred }: DraftColumn): string {
  const { type, formats, language, decimal, grouping, suffixes, extract, percentOf } = inferred
  const how = [
    ...(formats ?? []),
    ...(language === undefined ? [] : [`in ${language}`]),
    ...(decimal === undefined ? [] : [`decimal ${decimal}`]),
    ...(grouping === undefined ? [] : [`grouping ${grouping}`]),
    ...(suffixes === undefined ? [] : [`suffixes ${Object.keys(suffixes).join(' ')}`]),
    ...(extract === undefined ? [] : [`extract ${extract}`]),
    ...(percentOf === undefined ? [] : [`percentOf ${percentOf}`]),
  ]
  return how.length === 0 ? type : `${type} ${how.join(' or ')}`
}

function seems({ isKey, isUnique, isRequired, personal, values, minimum, inferred, position }: DraftColumn): string {
  const words = inferred.nulls?.length ?? 0
  return [
    ...(isKey ? ['the key'] : isUnique ? ['unique'] : []),
    ...(isRequired && !isKey ? ['required'] : []),
    ...(position === undefined ? [] : [`field ${position}`]),
    ...(personal === undefined ? [] : [`personal (${personal})`]),
    ...(values === undefined ? [] : [`one of ${values.length} values`]),
    ...(minimum === undefined ? [] : ['never negative']),
    ...(words === 0 ? [] : [words === 1 ? '1 word for nothing' : `${words} words for nothing`]),
    ...(inferred.note === undefined ? [] : [inferred.note]),
  ].join(', ')
}

/** Some values of each column of a draft. */
async function valuesOf(
  { columns }: Draft,
  { columns: all, tried, isInOrder = false }: Looked,
  session: SqlSession,
): Promise<string[]> {
  const shown: string[] = []
  for (const [at, { from, position }] of columns.entries()) {
    const index = isInOrder ? at : all.findIndex((column) => column.name === from && column.position === position)
    const { value } = tried.readColumn({ type: 'VARCHAR', reading: { from: [] } }, index)
    // The first ones of the source; control characters that a terminal would act on are removed.
    const found = await session.rows<{ value: string }>(
      `SELECT v AS value FROM (SELECT ${value} AS v, rowid AS place FROM ${TRIED}) WHERE v IS NOT NULL GROUP BY v ORDER BY min(place) LIMIT ${SHOWN}`,
    )
    shown.push(found.map((each) => each.value.slice(0, SHOWN_WIDTH).replaceAll(/\p{Cc}+/gu, ' ')).join(' · '))
  }
  return shown
}
