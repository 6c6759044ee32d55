import type { Manifest } from '@cinelake/contracts'
import type { CheckedDataset, CheckedPipeline } from '@cinelake/pipeline'
import { refineErrors } from './errors.ts'

/** Types that databases land and tables do not have, with the type that holds their values without loss. */
const INSTEAD: Readonly<Record<string, string>> = {
  TINYINT: 'INTEGER',
  SMALLINT: 'INTEGER',
  UTINYINT: 'INTEGER',
  USMALLINT: 'INTEGER',
  UINTEGER: 'BIGINT',
  UBIGINT: 'DECIMAL(20,0)',
  HUGEINT: 'DECIMAL(38,0)',
  UHUGEINT: 'DECIMAL(38,0)',
  FLOAT: 'DOUBLE',
  TIMESTAMP: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_S: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_MS: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_NS: 'TIMESTAMP WITH TIME ZONE',
  'TIME WITH TIME ZONE': 'VARCHAR',
  INTERVAL: 'VARCHAR',
  BIT: 'VARCHAR',
  UUID: 'VARCHAR',
  JSON: 'VARCHAR',
}

/**
 * The target of a refine: a dataset of the pipeline, or, for a database table that no dataset declares, the table as it
 * is, of which each landing is complete.
 * @throws {REFINE_INPUT_INVALID} terminal: no such dataset, and no landing that shows its columns
 */
export function targetOf(pipeline: CheckedPipeline, name: string, manifest: Manifest, path: string): CheckedDataset {
  const declared = pipeline.datasets.find((dataset) => dataset.name === name)
  if (declared !== undefined) return declared
  if (manifest.columns === undefined || manifest.columns.length === 0) {
    throw refineErrors.REFINE_INPUT_INVALID(
      name,
      path,
      `a dataset of the pipeline or a landed table`,
      `manifest of ${manifest.source}/${manifest.dataset} without columns`,
      manifest.window.label,
    )
  }
  const names = plainNames(manifest.columns.map((column) => column.name))
  const keyed = new Set(manifest.primaryKey)
  const columns = manifest.columns.map(({ name: landed, type }, index) => ({
    name: names[index] ?? landed,
    type: refinedType(type),
    required: keyed.has(landed),
    reading: { from: [landed] },
  }))
  const primaryKey = (manifest.primaryKey ?? []).map(
    (landed) => columns.find(({ reading }) => reading.from.includes(landed))?.name ?? landed,
  )
  return {
    name,
    source: manifest.source,
    sourceDataset: manifest.dataset,
    contract: {
      id: `${manifest.source}/${manifest.dataset}`,
      version: '0',
      columns,
      primaryKey,
      rowRules: [],
      tableRules: [],
    },
    reading: { header: true, nulls: [] },
    mode: 'snapshot',
    newestBy: [],
    duplicates: 'newest',
    partitionBy: [],
  }
}

/** Valid column names for a table: databases allow spaces and brackets, and two names that differ only in case. */
function plainNames(names: readonly string[]): string[] {
  const used = new Set<string>()
  return names.map((name) => {
    const plain = name.replaceAll(/[\s,;{}()=]/g, '_')
    let unique = plain
    for (let number = 2; used.has(unique.toLowerCase()); number++) unique = `${plain}_${number}`
    used.add(unique.toLowerCase())
    return unique
  })
}

function refinedType(type: string): string {
  if (type.endsWith('[]')) return `${refinedType(type.slice(0, -2))}[]`
  return type.startsWith('ENUM(') ? 'VARCHAR' : (INSTEAD[type] ?? type)
}
