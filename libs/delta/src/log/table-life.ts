import type { DeltaSnapshot, DeltaTxn } from '../delta-table.ts'
import { TableLostError, TableReplacedError } from '../errors.ts'

// A life of a table is its history under one id (`metaData.id`). Version numbers are relative to it.

/** Table property: the commit that created the table again, as `txnKey`. */
const BEGUN_BY = 'cinelake.begunBy'
/** Table property: earlier ids of the table, oldest first, as JSON. */
const FORMER_IDS = 'cinelake.formerIds'
/** Lives remembered: rebuilds are rare, and a command under way knows the one before at most. */
const MAX_FORMER = 20

type Configuration = Readonly<Record<string, string>>

/** The properties of a life that a commit begins in place of another. */
export function lifeProperties(txn: DeltaTxn, formerIds: readonly string[]): Configuration {
  const distinct = [...new Set(formerIds)].slice(-MAX_FORMER)
  return { [BEGUN_BY]: txnKey(txn), [FORMER_IDS]: JSON.stringify(distinct) }
}

/** Whether this commit began the life that the table is in. */
export function isBegunBy({ configuration }: { readonly configuration: Configuration }, txn: DeltaTxn): boolean {
  return configuration[BEGUN_BY] === txnKey(txn)
}

export function formerIdsOf(configuration: Configuration): string[] {
  try {
    const parsed: unknown = JSON.parse(configuration[FORMER_IDS] ?? '[]')
    return Array.isArray(parsed) ? parsed.filter((id) => typeof id === 'string') : []
  } catch {
    return []
  }
}

function txnKey({ appId, version }: DeltaTxn): string {
  return `${appId}#${version}`
}

/** A state that a table is known to have reached. Without an id it was known before ids were. */
export type KnownState = { readonly version: number; readonly id?: string | undefined }

/**
 * Checks that a table has not gone back behind a known state. Deliberately creating it again does not count as that:
 * the table remembers its earlier ids.
 * @throws {TableLostError} terminal: there is no table, or an older state of it
 * @throws {TableReplacedError} terminal: it is another table
 */
export function requireKnown(table: string, snapshot: DeltaSnapshot | undefined, known: KnownState | undefined): void {
  if (known === undefined) return
  if (snapshot === undefined) throw new TableLostError(table, known.version, 'no table')
  const { id } = known
  if (id !== undefined && id !== snapshot.id) {
    if (formerIdsOf(snapshot.configuration).includes(id)) return
    throw new TableReplacedError(table, { version: known.version, id }, snapshot.id)
  }
  if (snapshot.version < known.version) {
    throw new TableLostError(table, known.version, `version ${snapshot.version} as the latest`)
  }
}
