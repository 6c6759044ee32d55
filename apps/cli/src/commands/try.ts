import path from 'node:path'
import { ConfigError, makeDirectory } from '@cinelake/core'
import type { SqlSession } from '@cinelake/engine'
import { type Problem, formatProblem } from '@cinelake/pipeline'
import type { Sample } from '@cinelake/source-kind'
import { identifier } from '@cinelake/sql'
import { readColumn } from '@cinelake/transformer'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isDeepStrictEqual } from 'node:util'
import { type Document, isMap, isScalar, isSeq } from 'yaml'
import { CALL, type CommandContext, shellArgument } from '../command.ts'
import { openEngine } from '../open-parts.ts'
import { SAMPLE_ROWS } from '../options.ts'
import { formatTable } from '../output/format-table.ts'
import { formatCount, toJson } from '../output/format-value.ts'
import type { Paint } from '../output/terminal.ts'
import { type PlatformConfig, platformConfig } from '../settings.ts'
import { columnReadings, contractText, withDraft } from '../try/draft-text.ts'
import { type Draft, draftOf, textsOf } from '../try/draft.ts'
import { PIPELINE_FILE, openText, problemsIn, documentText, withFiles } from '../try/folder-text.ts'
import type { DraftColumn } from '../try/guess-key.ts'
import { readSample } from '../try/read-sample.ts'
import { type Target, readTarget } from '../try/read-target.ts'

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
function repeated({ rows, window, force }: Options): string[] {
  return [
    ...(rows === SAMPLE_ROWS ? [] : ['--rows', String(rows)]),
    ...(window === undefined ? [] : ['--window', window]),
    ...(force === true ? ['--force'] : []),
  ]
}

type Looked = {
  /** `<source>/<dataset>` */
  readonly name: string
  readonly folder: string
  /** The options as given, so that the next command saves the columns that were displayed. */
  readonly options: readonly string[]
}

/** The command that saves the displayed draft. */
function howToSave({ name, folder, options }: Looked): string {
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

/** The inferred columns of a dataset, as a table. Without `showValues` it has no value of the source. */
function showDraft(
  sample: Sample,
  draft: Draft,
  { paint, showValues }: { readonly paint: Paint; readonly showValues: boolean },
): string {
  const rows = `${formatCount(sample.rows.length)}${sample.isAll ? ', all there are' : ', the first'}`
  const facts = [...sample.facts, ['rows', rows] as const]
  const width = Math.max(...facts.map(([what]) => what.length))
  const lines = facts.map(([what, found]) => `${paint('dim', what.padEnd(width))}  ${found}\n`)
  const titles = ['column', 'type', 'empty', 'distinct', 'seems', ...(showValues ? ['values'] : [])]
  const cells = draft.columns.map((column) => [
    column.name,
    typeText(column),
    formatCount(column.emptyCount),
    formatCount(column.distinctCount),
    seems(column),
    ...(showValues ? [valuesText(sample, column)] : []),
  ])
  const left = draft.leftOut.map(([name, why]) => `${paint('yellow', 'left out')} ${name}: ${why}\n`)
  return `${lines.join('')}\n${formatTable(
    titles.map((title) => ({ title, maxWidth: 70 })),
    cells,
    { paint },
  )}${left.join('')}`
}

function typeText({ inferred: { type, formats, decimal } }: DraftColumn): string {
  const how = [...(formats ?? []), ...(decimal === undefined ? [] : [`decimal ${decimal}`])]
  return how.length === 0 ? type : `${type} ${how.join(' or ')}`
}

function seems({ isKey, isUnique, isRequired, personal, values, minimum, inferred }: DraftColumn): string {
  return [
    ...(isKey ? ['the key'] : isUnique ? ['unique'] : []),
    ...(isRequired && !isKey ? ['required'] : []),
    ...(personal === undefined ? [] : [`personal (${personal})`]),
    ...(values === undefined ? [] : [`one of ${values.length} values`]),
    ...(minimum === undefined ? [] : ['never negative']),
    ...(inferred.nulls === undefined ? [] : [`${inferred.nulls.length} words for nothing`]),
    ...(inferred.note === undefined ? [] : [inferred.note]),
  ].join(', ')
}

function valuesText(sample: Sample, { from }: DraftColumn): string {
  const index = sample.columns.findIndex(({ name }) => name === from)
  const values = [...new Set(textsOf(sample, index))].slice(0, SHOWN)
  // Control characters that a terminal would act on are removed.
  return values.map((value) => value.slice(0, SHOWN_WIDTH).replaceAll(/\p{Cc}+/gu, ' ')).join(' · ')
}

/**
 * Reads the sample by the code of a refine. A column with more unreadable texts than the draft predicts becomes text:
 * unreadable values must not reject rows.
 */
async function verifyDraft(draft: Draft, sample: Sample, session: SqlSession): Promise<Draft> {
  const names = sample.columns.map((_, index) => identifier(`c${index}`))
  await session.run(`CREATE OR REPLACE TEMP TABLE tried (${names.map((name) => `${name} VARCHAR`).join(', ')})`)
  await session.append('tried', one(sample.rows))
  const columns: DraftColumn[] = []
  for (const column of draft.columns) {
    const index = sample.columns.findIndex(({ name, type }) => name === column.from && type === undefined)
    const allowed = column.inferred.misfitCount ?? 0
    const isReadable = index < 0 || (await unreadCount(column, names[index] ?? '', session)) <= allowed
    columns.push(
      isReadable
        ? column
        : { ...column, inferred: { type: 'VARCHAR', note: 'not every text is of one type' }, minimum: undefined },
    )
  }
  return { ...draft, columns }
}

async function unreadCount({ inferred, from }: DraftColumn, raw: string, session: SqlSession): Promise<number> {
  const { type, formats, decimal, nulls, separators } = inferred
  const reading = {
    from: [from],
    ...(formats === undefined ? {} : { formats: [...formats] }),
    ...(decimal === undefined ? {} : { decimal }),
    ...(nulls === undefined ? {} : { nulls: [...nulls] }),
    ...(separators === undefined ? {} : { separators: [...separators] }),
  }
  const { value, text } = readColumn({ type, reading }, raw, [])
  const query = `SELECT count(*) AS n FROM tried WHERE (${text}) IS NOT NULL AND (${value}) IS NULL`
  const [found] = await session.rows<{ n: number | bigint }>(query)
  return Number(found?.n ?? 0)
}

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value
}
