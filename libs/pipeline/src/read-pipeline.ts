import {
  AS_SECRET,
  checkShape,
  durationMs,
  fieldOf,
  formatProblem,
  isKept,
  type Placeholder,
  placeholdersOf,
  type Problem,
  Problems,
  readYaml,
  secretPartsOf,
  sensitivityOf,
  type YamlPath,
  type YamlText,
} from '@cinelake/config-text'
import { type Calendar, closestName, ConfigError, isTimeZone, parseWindow } from '@cinelake/core'
import type { Schedule } from '@cinelake/source-kind'
import { checkDatasets } from './check/check-datasets.ts'
import { checkDeliveries } from './check/check-deliveries.ts'
import { checkModels } from './check/check-models.ts'
import { checkServe } from './check/check-serve.ts'
import { checkUses, type OtherPipeline } from './check/check-uses.ts'
import { type TablePlaces, Tables } from './check/tables.ts'
import { CheckedPipeline, type RetryPolicy } from './checked-pipeline.ts'
import { openFolder, type PipelineFolder } from './folder.ts'
import { SOURCE_KINDS } from './source-kinds.ts'
import type { SqlTyper } from './sql-typer.ts'
import { PipelineText } from './text/pipeline-schema.ts'

export type ReadOptions = Known & {
  /** Parses SQL and infers the models' types. Without it SQL is not checked, and a pipeline with models cannot be run. */
  readonly typer?: SqlTyper | undefined
}

export type ReadResult = {
  /** Absent if there is an error among the problems, or if there are models and no typer. */
  readonly pipeline?: CheckedPipeline
  /** All problems found, by file and line. */
  readonly problems: Problem[]
  /** The places where tables and their columns are defined, by the table's name. */
  readonly places: ReadonlyMap<string, TablePlaces>
}

const PIPELINE_FILE = 'pipeline.yaml'

/** Reads a pipeline's folder and checks all of it without touching any data. */
export async function readPipeline(folder: string | PipelineFolder, options: ReadOptions = {}): Promise<ReadResult> {
  const files = typeof folder === 'string' ? openFolder(folder) : folder
  const problems = new Problems()
  const { pipeline, tables } = await check(files, options, problems, [])
  const read = { problems: problems.sorted(), places: tables.places }
  return pipeline === undefined || problems.hasErrors ? read : { pipeline, ...read }
}

/** The part that is read first: everything that other pipelines need that use its tables. */
type Read = { readonly pipeline?: CheckedPipeline; readonly name?: string; readonly tables: Tables }

/** @param readers the pipelines that use this one, outermost first */
async function check(
  folder: PipelineFolder,
  options: ReadOptions,
  problems: Problems,
  readers: readonly string[],
): Promise<Read> {
  const tables = new Tables(options.typer, problems)
  const content = await folder.read(PIPELINE_FILE)
  if (content === undefined) {
    problems.error(
      { file: PIPELINE_FILE, line: 1, column: 1 },
      'there is no pipeline.yaml',
      'name a folder that has one, or make one with `cinelake init DIR`',
    )
    return { tables }
  }
  const text = readYaml(PIPELINE_FILE, content, problems)
  await checkPlaceholders(text, options, problems)
  const parts = checkShape(PipelineText, text, problems, FALLBACK)
  if (parts === undefined) return { tables }
  const name = parts.pipeline
  const schedule = readSchedule(parts, text, problems)
  const retry = readRetry(parts, text, problems)
  // First, since what it creates in the typer is dropped again.
  const uses = await checkUses(parts, {
    text,
    folder,
    tables,
    problems,
    readers: [...readers, name],
    readOther: async (other) => await readOther(other, options, [...readers, name]),
  })
  claimUnusable(text, parts, tables)
  const { sources, datasets } = await checkDatasets(parts, { text, folder, tables, problems })
  const models = await checkModels(parts, { text, folder, tables, sources, problems })
  const serve = checkServe(parts, { text, datasets, models, tables, problems })
  const deliver = checkDeliveries(parts, { text, datasets, models, tables, problems })
  warnOfUnread(uses, models, text, problems)
  if (problems.hasErrors || (options.typer === undefined && (await hasModels(parts, folder)))) return { name, tables }
  const description = parts.description === undefined ? {} : { description: parts.description }
  const schema = parts.schema === undefined ? {} : { schema: parts.schema }
  // Parsed a second time, which puts every key in the schema's order: the same pipeline always has the same digest.
  const pipeline = CheckedPipeline.parse({
    format: 1,
    name,
    ...description,
    ...schema,
    schedule,
    retry,
    sources,
    datasets,
    ...(uses.length === 0 ? {} : { uses }),
    models,
    serve,
    ...(deliver.length === 0 ? {} : { deliver }),
  })
  return { pipeline, name, tables }
}

/** Reads the text of a pipeline whose tables are used. Its settings on this machine do not matter here. */
async function readOther(
  folder: PipelineFolder,
  { typer }: ReadOptions,
  readers: readonly string[],
): Promise<OtherPipeline> {
  const problems = new Problems()
  const { name = '', tables } = await check(folder, { typer }, problems, readers)
  return { name, tables, problems: problems.sorted() }
}

function warnOfUnread(
  uses: readonly string[],
  models: readonly CheckedPipeline['models'][number][],
  text: YamlText,
  problems: Problems,
): void {
  const read = new Set(models.flatMap(({ inputs }) => inputs))
  const unread = problems.hasErrors ? [] : uses.filter((name) => !read.has(name))
  for (const name of unread) {
    problems.warning(text.at(['uses']), `no model reads \`${name}\``, 'remove it from `uses`')
  }
}

/** Replacements for invalid top-level keys, so that the rest can still be checked. */
const FALLBACK = { pipeline: 'unnamed', schedule: { every: 'day', start: '2000-01-01' }, sources: {} }

/** Datasets whose text is invalid are still known by name, so that references to them are not reported as unknown. */
function claimUnusable(text: YamlText, parts: PipelineText, tables: Tables): void {
  for (const [source, details] of entriesOf(fieldOf(text.value, 'sources'))) {
    for (const [dataset] of entriesOf(fieldOf(details, 'datasets'))) {
      if (parts.sources[source]?.datasets?.[dataset] !== undefined) continue
      tables.claim(dataset, text.atKey(['sources', source, 'datasets', dataset]))
    }
  }
}

const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : []

async function hasModels({ models }: PipelineText, folder: PipelineFolder): Promise<boolean> {
  return (await folder.list(models?.path ?? 'models')).some((name) => name.endsWith('.sql'))
}

const EXAMPLES = { day: '2026-03-01', month: '2026-03', hour: '2026-03-01T05' } as const

function readSchedule({ schedule }: PipelineText, text: YamlText, problems: Problems): Schedule {
  const { every, timeZone = 'UTC', start, delay } = schedule
  if (!isTimeZone(timeZone)) {
    problems.error(
      text.at(['schedule', 'timeZone']),
      `unknown time zone \`${timeZone}\``,
      'expected an IANA name such as `Europe/Berlin`, or `UTC`',
    )
  }
  const calendar: Calendar = { every, timeZone: isTimeZone(timeZone) ? timeZone : 'UTC' }
  const window = parseWindow(calendar, start)
  if (window === undefined) {
    problems.error(
      text.at(['schedule', 'start']),
      `'${start}' is not the name of a ${every}`,
      `expected something like \`${EXAMPLES[every]}\``,
    )
  }
  return { every, timeZone, start: window?.label ?? start, delayMs: delay === undefined ? 0 : durationMs(delay) }
}

/** Attempts. With the waits they outlast a server's restart, not an outage, which an operator should see. */
const DEFAULT_ATTEMPTS = 4

function readRetry({ retry = {} }: PipelineText, text: YamlText, problems: Problems): RetryPolicy {
  const policy = {
    maxAttempts: retry.attempts ?? DEFAULT_ATTEMPTS,
    backoffMs: durationMs(retry.backoff ?? '1s'),
    maxBackoffMs: durationMs(retry.maxBackoff ?? '1m'),
  }
  if (policy.maxBackoffMs < policy.backoffMs) {
    problems.error(
      text.at(['retry', retry.maxBackoff === undefined ? 'backoff' : 'maxBackoff']),
      'the longest wait is shorter than the first',
      'make `maxBackoff` (default `1m`) at least as long as `backoff` (default `1s`)',
    )
  }
  return policy
}

/** The errors among problems as one error, for callers that need a valid pipeline. */
export function pipelineError(folder: string, problems: readonly Problem[]): ConfigError {
  const errors = problems.filter((problem) => problem.severity === 'error')
  return new ConfigError(`pipeline cannot be used [folder=${folder}]`, errors.map(formatProblem))
}

type Known = {
  /** Settings of this machine; undefined if they are not to be checked. */
  readonly settings?: Readonly<Record<string, string | undefined>> | undefined
  /** Whether a secret exists; undefined if secrets are not to be checked. */
  readonly hasSecret?: ((name: string) => boolean | Promise<boolean>) | undefined
  /** The severity of a missing setting or secret. Default: `error`. */
  readonly missing?: 'error' | 'warning'
}

/** Checks every `${…}` of the text: its syntax, that it is filled at its place, and that it has a value. */
async function checkPlaceholders(text: YamlText, known: Known, problems: Problems): Promise<void> {
  for (const { path, value } of stringsIn(text.value, [])) {
    const { found, malformed } = placeholdersOf(value)
    const field = sensitivityOf(PipelineText, path)
    if (!field.isFilled) {
      const [first] = isFreeText(path) ? [] : found
      if (first !== undefined)
        problems.error(
          text.at(path),
          `the placeholder \`${formOf(first)}\` stands where none is filled`,
          'write the value itself; placeholders are for path, url, baseUrl, headers, auth, query and body',
        )
      continue
    }
    for (const form of malformed) {
      problems.error(
        text.at(path),
        field.hidden ? 'what begins with `${` is no placeholder' : `\`${form}\` is no placeholder`,
        'expected ${NAME}, ${NAME:-default} or ${secret:NAME}',
      )
    }
    // Literal texts without placeholders are reported when the source is read.
    const open =
      found.length === 0 ? [] : secretPartsOf(path.at(-1) ?? '', value, field).filter((part) => !isKept(part))
    for (const { what } of open) problems.error(text.at(path), `the ${what} is not kept as a secret`, AS_SECRET)
    const isWarning = known.missing === 'warning' || isForServing(text.value, path)
    const report = isWarning ? problems.warning.bind(problems) : problems.error.bind(problems)
    for (const placeholder of found) {
      if (placeholder.secret) {
        if (known.hasSecret === undefined || (await known.hasSecret(placeholder.name))) continue
        report(
          text.at(path),
          `the secret \`${placeholder.name}\` is missing`,
          'add it where CINELAKE_SECRETS points, or correct its name',
        )
      } else if (
        known.settings !== undefined &&
        placeholder.fallback === undefined &&
        !open.some(({ value: part }) => part.includes(formOf(placeholder))) &&
        (known.settings[placeholder.name] ?? '') === ''
      ) {
        const closest = closestName(placeholder.name, Object.keys(known.settings))
        const instead = closest === undefined ? '' : `; did you mean \`${closest}\`?`
        report(
          text.at(path),
          `the setting \`${placeholder.name}\` is missing`,
          `set the environment variable ${placeholder.name}, or give a default: \`\${${placeholder.name}:-…}\`${instead}`,
        )
      }
    }
  }
}

/** A placeholder as written, without its default. */
const formOf = ({ name, secret }: Placeholder) => `\${${secret ? 'secret:' : ''}${name}}`

/** Whether only a service that receives data needs it; runs do not. */
function isForServing(pipeline: unknown, [, source = '', key = '']: YamlPath): boolean {
  const type = fieldOf(fieldOf(fieldOf(pipeline, 'sources'), String(source)), 'type')
  const kind = Object.values(SOURCE_KINDS).find((each) => each.type === type)
  return kind?.keysForServing?.includes(String(key)) === true
}

/** Regular expressions, lists of words and descriptions may contain any text. */
const isFreeText = (path: YamlPath) =>
  path.includes('columns') || path.includes('description') || path.includes('nulls')

function* stringsIn(value: unknown, path: YamlPath): Generator<{ readonly path: YamlPath; readonly value: string }> {
  if (typeof value === 'string') yield { path, value }
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value))
    yield* stringsIn(child, [...path, Array.isArray(value) ? Number(key) : key])
}
