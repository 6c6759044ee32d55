import { defineErrors, terminal } from '@cinelake/core'
import type { DeltaColumn, DeltaSnapshot, DeltaTable, Evolution } from '@cinelake/delta'
import type { SqlSession } from '@cinelake/engine'
import {
  CONTRACT_PROPERTY,
  contractChanges,
  countDoubts,
  writtenBy,
  type ContractChange,
  type WantedTable,
} from '@cinelake/pipeline'

const evolutionErrors = defineErrors({
  /** Existing rows would lose data under a changed contract, which needs explicit consent. */
  CONTRACT_CHANGE_LOSSY: terminal((table: string, lossy: readonly ContractChange[]) => {
    const changes = lossy.map(describe)
    return [
      `the contract has changed, and rows that are there would lose something [table=${table}]: ${changes.join('; ')}. Nothing was written`,
      { table, changes: lossy.map(({ kind, column }) => `${kind} ${column}`).join(', ') },
    ]
  }),
})

function describe({ kind, column, from, to, consequence, remedy }: ContractChange): string {
  const types = from === null || to === null || kind === 'keyChanged' ? '' : ` (${from} → ${to})`
  const what = kind === 'keyChanged' ? `key (${from}) → (${to})` : `column ${column}${types}`
  return `${what}: ${consequence}; ${remedy ?? 'change the contract back'}`
}

/** How a table adopts the contract of its next rows. */
export type TakenOn = {
  /** Whether there is a change to adopt. */
  readonly isChanged: boolean
  /**
   * The version whose rows the decision is based on: other versions may hold data that would be lost. Absent where
   * there is no change.
   */
  readonly basedOn?: number
  readonly evolve: Evolution
  /** Columns of an earlier contract that stay in the table, empty in new rows. */
  readonly former: readonly DeltaColumn[]
  /** Table properties that record the earlier contract. */
  readonly configuration: Readonly<Record<string, string>>
}

type Deps = { readonly table: DeltaTable; readonly session: SqlSession; readonly signal: AbortSignal }

/**
 * Compares a contract with its table before rows are written by it. Values are read only where they decide.
 * @throws {CONTRACT_CHANGE_LOSSY} terminal: names each column, how many rows lose data, and how to proceed
 */
export async function takeOn(
  wanted: WantedTable,
  snapshot: DeltaSnapshot | undefined,
  { table, session, signal }: Deps,
): Promise<TakenOn> {
  if (snapshot === undefined)
    return { isChanged: false, evolve: {}, former: [], configuration: { [CONTRACT_PROPERTY]: writtenBy(wanted, []) } }
  const changes = await contractChanges(wanted, snapshot, async (doubts) => {
    await using view = await table.view(session, { version: snapshot.version, signal })
    if (view === undefined) return doubts.map(() => undefined)
    return await countDoubts(doubts, view.relation, async (sql) => await session.rows(sql, { signal }))
  })
  const lossy = changes.filter(({ lossless }) => !lossless)
  if (lossy.length > 0) throw evolutionErrors.CONTRACT_CHANGE_LOSSY(wanted.name, lossy)
  const evolve = evolutionOf(changes)
  const gone = new Set([...(evolve.dropped ?? []), ...Object.values(evolve.renamed ?? {}).flat()])
  const known = new Set(['_window', ...wanted.columns.map(({ name }) => name)])
  const former = snapshot.columns.filter(({ name }) => !known.has(name) && !gone.has(name))
  const written = writtenBy(
    wanted,
    former.map(({ name }) => name),
  )
  const configuration = { [CONTRACT_PROPERTY]: written }
  if (changes.length === 0) return { isChanged: false, evolve, former, configuration }
  return { isChanged: true, basedOn: snapshot.version, evolve, former, configuration }
}

function evolutionOf(changes: readonly ContractChange[]): Evolution {
  const of = (...kinds: readonly ContractChange['kind'][]) => changes.filter(({ kind }) => kinds.includes(kind))
  const renamed = Map.groupBy(of('renamed'), ({ column }) => column)
  return {
    renamed: Object.fromEntries([...renamed].map(([name, all]) => [name, all.flatMap(({ from }) => from ?? [])])),
    dropped: of('dropped').map(({ column }) => column),
    retyped: of('narrowed', 'retyped').map(({ column }) => column),
    partitions: of('partitionChanged').length > 0,
  }
}
