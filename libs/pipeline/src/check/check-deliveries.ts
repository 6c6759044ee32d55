import { staysBelow, type YamlPath } from '@cinelake/config-text'
import { suggest } from '@cinelake/core'
import { accessOf, checkAccess } from '@cinelake/file-places/config'
import type { CheckedDelivery, CsvForm, DeliveredTable } from '../checked-pipeline.ts'
import { fileName, KNOWN_PLACEHOLDERS, manifestName, tellsWindows, unknownPlaceholders } from '../file-names.ts'
import type { PipelineText } from '../text/pipeline-schema.ts'
import { type ServeContext, shapeOf } from './check-serve.ts'

type DeliveryText = NonNullable<PipelineText['deliver']>[string]

/** Any window: whether names of files differ is the same for all. */
const SOME_WINDOW = { label: '2026-03-01T05+00:00' }

/**
 * Checks the deliveries: that their tables and columns exist, that no two files have one name, and that no personal data
 * goes into files that may not be there.
 */
export function checkDeliveries(pipeline: PipelineText, context: ServeContext): CheckedDelivery[] {
  const { every } = pipeline.schedule
  return Object.entries(pipeline.deliver ?? {}).map(([name, delivery]): CheckedDelivery => {
    const path: YamlPath = ['deliver', name]
    const file = delivery.file ?? `{table}_{window}.${delivery.format}`
    checkDeliveryPlace(delivery, path, context)
    checkForm(delivery, path, context)
    checkFile(file, path, context)
    const tables = delivery.tables.flatMap((entry, index) => deliveredTable(entry, [...path, 'tables', index], context))
    checkNames({ name, file, tables }, path, context)
    const { format } = delivery
    return {
      name,
      path: delivery.path,
      ...accessOf(delivery),
      format,
      file,
      perWindow: tellsWindows(file, every),
      ...(format === 'csv' ? { csv: csvForm(delivery.csv) } : {}),
      tables,
    }
  })
}

function csvForm(csv: DeliveryText['csv'] = {}): CsvForm {
  const { dates, times } = csv
  return {
    delimiter: csv.delimiter ?? ',',
    header: csv.header ?? true,
    quote: csv.quote ?? 'needed',
    bom: csv.bom ?? false,
    null: csv.null ?? '',
    lineEnd: csv.lineEnd ?? 'lf',
    decimal: csv.decimal ?? '.',
    ...(dates === undefined ? {} : { dates }),
    ...(times === undefined ? {} : { times }),
    formulas: csv.formulas ?? 'keep',
  }
}

function checkDeliveryPlace(delivery: DeliveryText, path: YamlPath, { text, problems }: ServeContext): void {
  const at = (...keys: string[]) => text.at([...path, ...keys])
  if (checkAccess(delivery, { at, problems })?.isReadOnly === true)
    problems.error(at('path'), 'nothing can be written to an HTTP server', 'expected a folder, Azure, S3 or SFTP')
}

function checkForm(delivery: DeliveryText, path: YamlPath, { text, problems }: ServeContext): void {
  const { format, csv } = delivery
  if (csv !== undefined && format !== 'csv')
    problems.error(text.at([...path, 'csv']), `\`csv\` does not go with \`format: ${format}\``, 'remove it')
  if (csv?.delimiter === '"')
    problems.error(text.at([...path, 'csv', 'delimiter']), 'the delimiter is the quote', 'choose another delimiter')
  if (csv?.null !== undefined && csv.null.includes(csv.delimiter ?? ','))
    problems.error(text.at([...path, 'csv', 'null']), 'the text for NULL has the delimiter in it', 'choose another')
}

function checkFile(file: string, path: YamlPath, { text, problems }: ServeContext): void {
  const at = text.at([...path, 'file'])
  for (const name of unknownPlaceholders(file))
    problems.error(at, `unknown placeholder \`{${name}}\` in \`file\``, suggest(name, KNOWN_PLACEHOLDERS))
  const example = fileName(file, 'table', SOME_WINDOW)
  if (!staysBelow(example) || example.split('/').some((part) => part === '' || part.startsWith('.')))
    problems.error(
      at,
      '`file` is no name of a file below the path',
      'expected a name such as `sales_{date}.csv`, with `/` between folders and none that begins with a dot',
    )
}

/** File systems may compare names without case. */
function checkNames(
  { name, file, tables }: Pick<CheckedDelivery, 'name' | 'file' | 'tables'>,
  path: YamlPath,
  { text, problems }: ServeContext,
): void {
  const taken = new Map([[manifestName(file, name, SOME_WINDOW).toLowerCase(), 'the manifest']])
  for (const { as } of tables) {
    const own = fileName(file, as, SOME_WINDOW).toLowerCase()
    const other = taken.get(own)
    if (other !== undefined)
      problems.error(
        text.at([...path, 'file']),
        `the file of \`${as}\` has the name of ${other}`,
        'put `{table}` into `file`, or give one of the tables another name with `as`',
      )
    taken.set(own, `the file of \`${as}\``)
  }
}

function deliveredTable(
  entry: DeliveryText['tables'][number],
  path: YamlPath,
  context: ServeContext,
): DeliveredTable[] {
  const { text, tables, problems } = context
  const details = typeof entry === 'string' ? { table: entry } : entry
  const known = tables.nameOf(details.table)
  if (known === undefined) {
    problems.error(
      text.at(typeof entry === 'string' ? path : [...path, 'table']),
      `unknown table \`${details.table}\``,
      suggest(details.table, tables.names, 'declare a dataset or write a model first'),
    )
    return []
  }
  const [shape, refined] = [shapeOf(known, context), tables.usable(known)]
  if (shape === undefined || refined === undefined) return []
  const { as = known, columns: chosen, exclude = [] } = details
  const names = shape.columns.map(({ name }) => name)
  for (const [key, list] of [
    ['columns', chosen ?? []],
    ['exclude', exclude],
  ] as const) {
    for (const [index, name] of list.entries()) {
      const at = text.at([...path, key, index])
      if (!names.includes(name))
        problems.error(at, `\`${key}\` names the unknown column \`${name}\` of \`${known}\``, suggest(name, names))
      else if (list.indexOf(name) < index)
        problems.error(at, `\`${key}\` names \`${name}\` twice`, 'remove one of the two')
    }
  }
  const wanted = (chosen ?? names).filter((name) => !exclude.includes(name))
  if (wanted.length === 0) problems.error(text.at(path), `no column of \`${known}\` is left`, 'exclude fewer')
  const columns = wanted.flatMap((name) => shape.columns.filter((column) => column.name === name))
  for (const { name } of columns) {
    const personal = refined.personal.get(name.toLowerCase())
    if (personal === undefined || personal.allowedIn.includes('files')) continue
    const from = personal.from.join(', ')
    problems.error(
      text.at(path),
      `\`${known}\` would carry personal data into files: \`${name}\`, from ${from}`,
      `add \`exclude: [${name}]\`, or let the contract allow it: customProperties \`cinelake.allowedIn: [refined, files]\` at ${from}`,
    )
  }
  const isShown = shape.primaryKey.every((name) => refined.personal.get(name.toLowerCase()) === undefined)
  return [
    {
      table: known,
      as,
      columns: columns.map(({ name, type, description }) => ({
        name,
        type,
        ...(description === undefined ? {} : { description }),
      })),
      primaryKey: [...shape.primaryKey],
      ...(isShown ? { keyMayBeShown: true } : {}),
    },
  ]
}
