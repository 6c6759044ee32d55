import {
  agentQueue,
  commonDataset,
  explode,
  FileFormat,
  FileReading,
  nulls,
  readOwnPlace,
  site,
  siteOf,
  type SourceConfig,
  type SourcePlace,
} from '@cinelake/source-kind'
import {
  durationMs,
  duration,
  filled,
  isAbsolutePath,
  mapping,
  oneCharacter,
  staysBelow,
  tableName,
  template,
  text,
} from '@cinelake/config-text'
import { suggest } from '@cinelake/core'
import { accessOf, accessText, checkedAccess } from '@cinelake/file-places/config'
import { z } from 'zod'
import { checkPlace } from './check-place.ts'

/** The WHATWG takes `iso-8859-1` for windows-1252; a file that is declared so is read as ISO means it. */
const LATIN = 'iso-8859-1'

/**
 * Encodings for which the runtime has other tables than the standard: some of their characters would become others.
 * Source: encoding.spec.whatwg.org, compared character by character
 */
const OTHER_TABLES = new Set(['euc-kr', 'big5'])

/** The canonical name of an encoding; undefined where no such encoding is known. */
function encodingOf(name: string): string | undefined {
  if (name.trim().toLowerCase() === LATIN) return LATIN
  try {
    return new TextDecoder(name).encoding
  } catch {
    return undefined
  }
}

const encoding = text
  .refine(
    (name) => encodingOf(name) !== undefined,
    'expected a name of the WHATWG encoding standard, such as `windows-1251`',
  )
  .refine(
    (name) => !OTHER_TABLES.has(encodingOf(name) ?? ''),
    'this encoding cannot be read exactly here: have the files sent in UTF-8',
  )
  .transform((name) => encodingOf(name) ?? name)

const skipOrFail = z.enum(['skip', 'fail'])

/** How a file that cannot be landed normally is handled. */
const FileProblems = z.object({
  /** The agent has no permission to read it. Default: `fail`. */
  forbidden: skipOrFail.optional(),
  /** Its name is not valid in the lake. Default: `skip`. */
  misnamed: skipOrFail.optional(),
  /** It is empty. Default: `land`. */
  empty: z.enum(['land', 'fail', 'skip']).optional(),
  /** It is still being written, has no marker yet, or is locked. Default: `fail`, which is retried. */
  unstable: skipOrFail.optional(),
})
type FileProblems = z.infer<typeof FileProblems>

export const FilesDataset = z.object({
  name: z.string(),
  /** Glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the business time in the name. */
  files: z.string(),
  /** How a window without files is handled. */
  whenMissing: skipOrFail,
  /** How a file is assigned to a window. Default: `name`. */
  windowFrom: z.enum(['name', 'modified', 'arrival']).optional(),
  /** Whether bytes that landed in another window are not landed again. Default: false. */
  once: z.boolean().optional(),
  /** Milliseconds of the quiet period: a file is complete when it has not changed for so long. Default: none. */
  restMs: z.int().min(0).optional(),
  /** Name of the marker file that says that a file is complete; `{name}` and `{stem}` stand for the file's. */
  marker: z.string().optional(),
  onProblem: FileProblems.optional(),
  /** How files that arrive after their window was ingested are handled. Default: `report`. */
  late: z.enum(['report', 'include']).optional(),
  /** Milliseconds before the window in which late files are searched for. Default: 7 days. */
  lateForMs: z.int().min(0).optional(),
  /** How files that have landed are handled. Default: `leave`. */
  afterLanding: z.union([z.enum(['leave', 'delete']), z.object({ archive: template })]).optional(),
})
export type FilesDataset = z.infer<typeof FilesDataset>

export const FilesSource = z.object({
  type: z.literal('files'),
  name: z.string(),
  /** Folder on the machine of the agent, or the address of one on a server. */
  path: template,
  ...checkedAccess,
  /** The site whose agent reads it; commands go to `ingest-files.<site>`. */
  site: z.string().optional(),
  datasets: z.array(FilesDataset),
})
export type FilesSource = z.infer<typeof FilesSource>

/** Cells of a sheet: `B3:F200`, `B3:F`, `B:F`, `3:200`, or `B3` for all from there on. */
const RANGE =
  /^(?:[A-Z]{1,3}[1-9]\d{0,6}(?::(?:[A-Z]{1,3})?(?:[1-9]\d{0,6})?)?|[A-Z]{1,3}:[A-Z]{1,3}|[1-9]\d{0,6}:[1-9]\d{0,6})$/

/** Characters of a line of fixed width. */
const width = z.int().min(1).max(1_000_000)

/** The fields of a line, each after the one before unless its start is given. */
function placed<Field extends { readonly start?: number | undefined; readonly width: number }>(
  fields: readonly Field[],
) {
  let next = 1
  return fields.map((field) => {
    const { start = next } = field
    next = start + field.width
    return { ...field, start }
  })
}

/** A path of names in a JSON document. */
const RECORDS = /^\$(?:\.[^.[\]*\s]+|\['[^']*'\]|\["[^"]*"\])*$/

const filesDataset = mapping({
  files: text
    .optional()
    .describe(
      "Required, unless its rows are exploded: glob below the source's path; `{yyyy}`, `{MM}`, `{dd}`, `{HH}` stand for the start of the window.",
    ),
  whenMissing: z
    .enum(['fail', 'skip'])
    .optional()
    .describe('What becomes of a window for which no file came. Default: `fail`. The same as `onProblem.missing`.'),
  windowFrom: z
    .enum(['name', 'modified', 'arrival'])
    .optional()
    .describe(
      'Which window a file belongs to: that of the time in its name, that in which it was last written to, or that in which it came into the folder. Default: `name`.',
    ),
  once: z
    .boolean()
    .optional()
    .describe(
      'Bytes that have landed in another window are not landed again, whatever they are called. Default: `false`.',
    ),
  stable: duration
    .optional()
    .describe('Quiet period: size and times of a file must not have changed for so long. Default: none.'),
  marker: text
    .optional()
    .describe(
      'Name of a file beside it that says that a file is complete: `{name}.done`, `{stem}.ok`, `_SUCCESS`. Default: none is needed.',
    ),
  onProblem: mapping({
    missing: skipOrFail.optional().describe('No file came for the window. Default: `fail`.'),
    forbidden: skipOrFail.optional().describe('A file may not be read. Default: `fail`.'),
    misnamed: skipOrFail
      .optional()
      .describe('A file has a name that nothing in the lake can have, such as one with a line break. Default: `skip`.'),
    empty: z.enum(['land', 'skip', 'fail']).optional().describe('A file has no bytes. Default: `land`.'),
    unstable: skipOrFail
      .optional()
      .describe('A file is being written, lacks its marker, or is locked. Default: `fail`, which is tried again.'),
  })
    .optional()
    .describe('What becomes of files that are not as they should be; whatever is skipped is reported.'),
  late: z
    .enum(['report', 'include'])
    .optional()
    .describe(
      'Files that come after their window was ingested: reported, or landed with the current window. Default: `report`.',
    ),
  lateFor: duration.optional().describe('How far before the window late files are looked for. Default: `7d`.'),
  afterLanding: z
    .union([
      z.enum(['leave', 'delete']),
      mapping({ archive: filled(text).describe("Folder; a relative one is below the source's path.") }),
    ])
    .optional()
    .describe('What becomes of files that have landed. Default: `leave`.'),
  read: mapping({
    format: FileFormat.optional().describe(
      'A file of another format is refused. Default: found out from the first bytes of each file.',
    ),
    records: text
      .regex(RECORDS, "expected a path of names, such as `$.data.items` or `$['my items']`")
      .optional()
      .describe(
        'JSON and XML: where the records are, as a path of names: `$.data.items`. Default: the document itself; the elements in the root.',
      ),
    sheet: z
      .union([text, z.int().min(1)])
      .optional()
      .describe('XLSX: name or number of the worksheet. Default: the only visible one with rows.'),
    range: z
      .string()
      .regex(RANGE, 'expected cells such as `B3:F200`, `B3:F`, `B:F` or `B3`')
      .optional()
      .describe('XLSX: the cells that are read, header included: `B3:F`. Default: all.'),
    mergedCells: z
      .enum(['fill', 'empty'])
      .optional()
      .describe(
        'XLSX: cells that are merged with the first of their area have its value (`fill`) or none (`empty`). Default: their row is rejected.',
      ),
    widths: z
      .array(width)
      .min(1)
      .optional()
      .describe('Fixed width: characters of each field, one field after the other.'),
    fields: z
      .array(
        mapping({
          name: text.describe('As the name in a header would be.'),
          start: z
            .int()
            .min(1)
            .max(1_000_000)
            .optional()
            .describe('The first character, from 1. Default: after the field before.'),
          width: width.describe('Characters.'),
        }),
      )
      .min(1)
      .transform(placed)
      .optional()
      .describe('Fixed width: the fields of a line by name. There is no header then.'),
    encoding: encoding
      .optional()
      .describe('A name of the WHATWG encoding standard, such as `windows-1251`. Default: found out from the file.'),
    delimiter: z
      .string()
      .regex(/^[^\r\n\0]+$/, 'expected one character or several')
      .optional()
      .describe('One character or several (`::`). Default: found out from the file.'),
    quote: z
      .union([z.literal('none').transform(() => ''), z.literal(''), oneCharacter])
      .optional()
      .describe('`none`: there are no quoted fields. Default: `"`.'),
    escape: oneCharacter
      .optional()
      .describe('Makes a quote, delimiter or line end after it text. Default: a quote is doubled within quotes.'),
    header: z.boolean().optional().describe('Whether the first record names the columns. Default: `true`.'),
    headerLines: FileReading.shape.headerLines.describe(
      'Lines of the header; the names of a column in them are joined with blanks. Default: 1.',
    ),
    skip: FileReading.shape.skip.describe('Lines before the header, or before the first record. Default: none.'),
    comment: FileReading.shape.comment.describe('A line that begins with this text is no row. Default: none.'),
    footer: z
      .union([
        z.int().min(1).max(1000),
        z
          .string()
          .min(1)
          .transform((one) => [one]),
        z.array(z.string().min(1)).min(1),
      ])
      .optional()
      .describe(
        'Records at the end that are no rows: their number, or texts with which the first field of each begins. Default: none.',
      ),
    blankRows: FileReading.shape.blankRows.describe(
      'Rows whose fields have no text. Default: `keep`; a line without anything is no row in any case.',
    ),
    missingCells: FileReading.shape.missingCells.describe(
      '`empty`: a row with fewer fields than the header has no value in the others. Default: `reject`.',
    ),
    nulls,
  })
    .optional()
    .describe('How the files are read.'),
  explode: explode.describe('Lists whose items are rows of another dataset: `{ orders: user_orders }`.'),
  ...commonDataset,
})

/** A source of type `files` in `pipeline.yaml`. */
const FilesSourceText = mapping({
  type: z.literal('files'),
  path: filled(text).describe(
    "Folder on the agent's machine, or on a server: `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER`, `https://ACCOUNT.blob.core.windows.net/CONTAINER/FOLDER`, `s3://BUCKET/FOLDER`, `sftp://USER@HOST/FOLDER`, `https://HOST/FOLDER`.",
  ),
  ...accessText,
  site,
  datasets: z.record(tableName, filesDataset),
})

type FilesSourceText = z.infer<typeof FilesSourceText>
type FilesDatasetText = z.infer<typeof filesDataset>

function readFilesSource(name: string, source: FilesSourceText, place: SourcePlace): FilesSource {
  const datasets = Object.entries(source.datasets).flatMap(([dataset, details]) => {
    const at = { ...place, path: [...place.path, 'datasets', dataset] }
    const own = { key: 'files', value: details.files, expected: 'say which files it has' }
    const files = readOwnPlace(dataset, own, source.datasets, at)
    return files === undefined ? [] : [readDataset(dataset, { ...details, files }, at)]
  })
  checkPlace(source, place)
  return {
    type: 'files',
    name,
    path: source.path,
    ...accessOf(source),
    ...siteOf(source),
    datasets,
  }
}

function readDataset(
  name: string,
  details: FilesDatasetText & { readonly files: string },
  place: SourcePlace,
): FilesDataset {
  const { text, path, problems } = place
  const at = (...steps: string[]) => text.at([...path, ...steps])
  for (const { message, remedy } of filePatternProblems(details.files)) problems.error(at('files'), message, remedy)
  checkMissing(details, place)
  checkMarker(details, place)
  checkOnce(details, place)
  checkLate(details, place)
  checkArchive(details, place)
  checkFormat(details, place)
  const { missing, ...onProblem } = details.onProblem ?? {}
  const { windowFrom, once, stable, marker, late, lateFor, afterLanding } = details
  return {
    name,
    files: details.files,
    whenMissing: missing ?? details.whenMissing ?? 'fail',
    ...(windowFrom === undefined ? {} : { windowFrom }),
    ...(once === undefined ? {} : { once }),
    ...(stable === undefined ? {} : { restMs: durationMs(stable) }),
    ...(marker === undefined ? {} : { marker }),
    ...(Object.keys(onProblem).length === 0 ? {} : { onProblem }),
    ...(late === undefined ? {} : { late }),
    ...(lateFor === undefined ? {} : { lateForMs: durationMs(lateFor) }),
    ...(afterLanding === undefined ? {} : { afterLanding }),
  }
}

const SHEETS = ['csv', 'xlsx'] as const
const LINES = ['csv', 'fixed-width'] as const
const ROWS = ['csv', 'xlsx', 'fixed-width'] as const

/** The formats of options that are not for CSV alone. */
const FORMATS_OF: Readonly<Record<string, readonly FileFormat[]>> = {
  records: ['json', 'xml'],
  sheet: ['xlsx'],
  range: ['xlsx'],
  mergedCells: ['xlsx'],
  widths: ['fixed-width'],
  fields: ['fixed-width'],
  encoding: ['csv', 'json', 'ndjson', 'xml', 'fixed-width'],
  header: ROWS,
  headerLines: SHEETS,
  skip: ROWS,
  comment: LINES,
  footer: ROWS,
  blankRows: ROWS,
  missingCells: LINES,
}

function checkFormat({ read }: FilesDatasetText, place: SourcePlace): void {
  if (read === undefined) return
  const { text, path, problems } = place
  for (const [option, value] of Object.entries(read)) {
    if (value === undefined || option === 'format' || option === 'nulls') continue
    const formats = FORMATS_OF[option] ?? ['csv']
    const fits = read.format === undefined ? formats.includes('csv') : formats.includes(read.format)
    if (fits) continue
    const of = formats.map((format) => `\`format: ${format}\``).join(' or ')
    problems.error(
      text.at([...path, 'read', option]),
      `\`${option}\` does not go with ${read.format === undefined ? 'a format that is found out' : `\`format: ${read.format}\``}`,
      `it is for ${of}: state that, or leave \`${option}\` out`,
    )
  }
  if (read.format === 'fixed-width') checkFields(read, place)
}

function checkFields(
  { widths, fields, header }: NonNullable<FilesDatasetText['read']>,
  { text, path, problems }: SourcePlace,
): void {
  const at = (option: string) => text.at([...path, 'read', option])
  if (widths === undefined && fields === undefined)
    problems.error(at('format'), '`format: fixed-width` has no fields', 'add `widths` or `fields`: where each field is')
  if (fields === undefined) return
  if (widths !== undefined) problems.error(at('widths'), '`widths` and `fields` say the same', 'leave one of them out')
  if (header !== undefined)
    problems.error(
      at('header'),
      '`header` does not go with `fields`, which names the columns',
      'leave it out; `skip: 1` passes over a line of names',
    )
}

function checkMissing({ whenMissing, onProblem }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  const missing = onProblem?.missing
  if (whenMissing === undefined || missing === undefined || whenMissing === missing) return
  problems.error(
    text.at([...path, 'onProblem', 'missing']),
    `\`onProblem.missing: ${missing}\` contradicts \`whenMissing: ${whenMissing}\``,
    'they mean the same: leave one of them out',
  )
}

function checkMarker({ marker }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  if (marker === undefined) return
  const plain = marker.replaceAll(/\{(?:name|stem)\}/g, 'x')
  if (plain !== '.' && plain !== '..' && !/[/\\{}*?]/.test(plain) && marker !== '{name}') return
  problems.error(
    text.at([...path, 'marker']),
    `the marker '${marker}' is no name of another file`,
    'expected a name without folders, in which `{name}` and `{stem}` (without its last ending) stand for the file, such as `{name}.done`',
  )
}

/** `..` and a drive without a folder depend on the location of the source's folder, or of this program. */
function checkArchive({ afterLanding }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  if (typeof afterLanding !== 'object') return
  const { archive } = afterLanding
  const isPlaced = isAbsolutePath(archive) && !archive.split(/[/\\]/).includes('..')
  if (isPlaced || staysBelow(archive)) return
  problems.error(
    text.at([...path, 'afterLanding', 'archive']),
    `the archive '${archive}' is no folder below the source's \`path\``,
    'expected a folder below it, such as `done`, or an absolute one',
  )
}

/** A file that was landed late is identified by its bytes alone: it is in no window of its own. */
function checkOnce({ late, once }: FilesDatasetText, { text, path, problems }: SourcePlace): void {
  if (late !== 'include' || once === true) return
  problems.error(
    text.at([...path, 'late']),
    '`late: include` needs `once: true`: else a late file would land with every window',
    'add `once: true`',
  )
}

/** Rows of an earlier window arrive with those of the current one: only some ways of refining assign them correctly. */
function checkLate({ late, mode = 'snapshot', newestBy = [] }: FilesDatasetText, place: SourcePlace): void {
  if (late !== 'include' || mode === 'append' || (mode === 'merge' && newestBy.length > 0)) return
  place.problems.error(
    place.text.at([...place.path, 'late']),
    mode === 'merge'
      ? '`late: include` needs `newestBy` where rows are merged: else rows of a late file would win over newer ones'
      : '`late: include` would put an old file in the place of the whole table',
    mode === 'merge'
      ? 'name with `newestBy` the columns that say which row is newer'
      : 'use `late: report`, `mode: append`, or `mode: merge` with `newestBy`',
  )
}

/** The parts of a business time that a file's name may contain, largest first. */
const TIME_PARTS: readonly string[] = ['yyyy', 'MM', 'dd', 'HH']

/** All problems of a dataset's `files`. */
function filePatternProblems(pattern: string): { readonly message: string; readonly remedy: string }[] {
  const found: { readonly message: string; readonly remedy: string }[] = []
  const parts = [...pattern.matchAll(/\{([^{},]*)\}/g)].map(([, part = '']) => part)
  for (const part of parts.filter((name) => !TIME_PARTS.includes(name))) {
    found.push({ message: `unknown part \`{${part}}\` in a file pattern`, remedy: suggest(part, TIME_PARTS) })
  }
  const known = TIME_PARTS.filter((part) => parts.includes(part))
  if (found.length === 0 && known.some((part, index) => part !== TIME_PARTS[index])) {
    found.push({
      message: `the file pattern '${pattern}' has no whole date`,
      remedy: 'expected a time from the year on: {yyyy}, {yyyy}{MM}, {yyyy}{MM}{dd} or {yyyy}{MM}{dd}{HH}',
    })
  }
  if (/^[/\\]|^[A-Za-z]:|\\/.test(pattern) || pattern.split('/').some((step) => ['', '.', '..'].includes(step))) {
    found.push({
      message: `the file pattern '${pattern}' is no path below the source's folder`,
      remedy: 'write it relative to the `path` of the source, with `/` between folders',
    })
  }
  if (/\[[^\]]*$/.test(pattern) || /\{[^}]*$/.test(pattern)) {
    found.push({
      message: `the file pattern '${pattern}' has an open bracket`,
      remedy: 'close it; a bracket itself is `[[]`',
    })
  }
  return found
}

/** Files that arrive in a folder. */
export const filesConfig = {
  type: 'files',
  text: FilesSourceText,
  checked: FilesSource,
  read: readFilesSource,
  plan: ({ site, datasets }) => ({
    queue: agentQueue(site),
    // A dataset that takes each file once continues from its ledger, which the previous window wrote.
    ingests: datasets.map(({ name, once = false }) => ({ dataset: name, after: [], incremental: once })),
  }),
} as const satisfies SourceConfig<FilesSourceText, FilesSource>
