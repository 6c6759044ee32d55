import type { Build, Refine } from '@cinelake/contracts'
import {
  DeltaCorruptError,
  isBegunBy,
  requireFiles,
  requireKnown,
  type CommitOptions,
  type CommitResult,
  type DeltaSnapshot,
  type DeltaTable,
  type DeltaTxn,
} from '@cinelake/delta'
import type { TaskOutcome } from '@cinelake/bus'
import type { Lake } from '@cinelake/lake'

/** The table that a command writes, as the command is to see it. */
export type TargetTable = {
  /** Undefined where there is none yet, or where what is there is to be replaced by a new life. */
  readonly snapshot: DeltaSnapshot | undefined
  /** What every commit of the command is told about the table's life. */
  readonly life: Pick<CommitOptions, 'basedOnId' | 'restart'>
}

/**
 * Reads the table that a command writes, and checks that it holds what is known to have been made of it: a table that is
 * gone is not one that never was, and neither is one of which the log is left.
 * @throws {TableLostError} terminal @throws {TableReplacedError} terminal @throws {DeltaCorruptError} terminal
 * @throws {TableFilesLostError} terminal
 */
export async function readTarget(
  table: DeltaTable,
  command: Refine | Build,
  { lake, signal }: { readonly lake: Pick<Lake, 'list'>; readonly signal: AbortSignal },
): Promise<TargetTable> {
  const { expected, restart } = command
  if (restart === true) {
    const life = { restart: { formerId: expected?.id } }
    const snapshot = await table.snapshot({ signal }).catch(undefinedWhenDamaged)
    return { snapshot: snapshot !== undefined && isBegunBy(snapshot, txnOf(command)) ? snapshot : undefined, life }
  }
  const snapshot = await table.snapshot({ signal })
  requireKnown(table.path, snapshot, expected)
  if (snapshot !== undefined) await requireFiles(lake, table.path, snapshot, { signal })
  return { snapshot, life: { basedOnId: snapshot?.id } }
}

/** What makes a command's commit happen once. */
export function txnOf({ run, task, generation }: Refine | Build): DeltaTxn {
  return { appId: `${run}/${task}`, version: generation }
}

/** Whether the command's commit is in the table. */
export function isCommitted(command: Refine | Build, { txns }: Pick<DeltaSnapshot, 'txns'>): boolean {
  const { appId, version } = txnOf(command)
  return (txns.get(appId) ?? 0) >= version
}

/** A log that is damaged is what a restart is there for. */
function undefinedWhenDamaged(error: unknown): undefined {
  if (error instanceof DeltaCorruptError) return undefined
  throw error
}

/** What a command reports of its table. */
export function tableOutput(
  table: string,
  { version, id, outcome }: Pick<CommitResult, 'version' | 'id'> & { readonly outcome: TableOutcome },
  { restart }: Refine | Build,
  rejects: TableOutput['rejects'],
): TaskOutcome['output'] {
  const life = { ...(restart === true && { began: true }), ...(rejects !== undefined && { rejects }) }
  return { kind: 'table', table, version, id, ...life, outcome }
}

type TableOutput = Extract<TaskOutcome['output'], { kind: 'table' }>
type TableOutcome = TableOutput['outcome']

/** What a command reports that leaves its table as it is. */
export function untouched(
  table: string,
  { version, id }: DeltaSnapshot,
  outcome: 'unchanged' | 'superseded',
  command: Refine | Build,
  rejects: TableOutput['rejects'],
): TaskOutcome {
  return {
    balance: { unit: 'rows', in: 0, out: 0, rejected: 0, duplicates: 0 },
    output: tableOutput(table, { version, id, outcome }, command, rejects),
  }
}
