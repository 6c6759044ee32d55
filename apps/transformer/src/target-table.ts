import type { TaskOutcome } from '@cinelake/bus'
import type { Build, QualityResult, Refine } from '@cinelake/contracts'
import {
  type CommitOptions,
  type CommitResult,
  DeltaCorruptError,
  type DeltaSnapshot,
  type DeltaTable,
  type DeltaTxn,
  TableFilesLostError,
  TableLostError,
  TableReplacedError,
  isBegunBy,
  requireFiles,
  requireKnown,
  tableTakenByOther,
} from '@cinelake/delta'
import type { Lake } from '@cinelake/lake'

/** The table that a command writes, in the state that the command starts from. */
export type TargetTable<C extends Refine | Build> = {
  /** With `restart` where the table was lost and may start over because of that. */
  readonly command: C
  /** The details to report about that. */
  readonly quality: readonly QualityResult[]
  /** Undefined where there is none yet, or where the existing one is to be replaced. */
  readonly snapshot: DeltaSnapshot | undefined
  /** Passed to every commit of the command, about the table's identity. */
  readonly life: Pick<CommitOptions, 'basedOnId' | 'restart'>
}

/**
 * Reads the table that a command writes, and checks it against the run history: a table that is gone differs from one
 * that never was, and so does one of which only the log is left.
 * @throws {TableLostError} terminal @throws {TableReplacedError} terminal @throws {DeltaCorruptError} terminal
 * @throws {TableFilesLostError} terminal
 */
export async function readTarget<C extends Refine | Build>(
  table: DeltaTable,
  command: C,
  { lake, signal }: { readonly lake: Pick<Lake, 'list'>; readonly signal: AbortSignal },
): Promise<TargetTable<C>> {
  const { expected, restart, restartIfLost } = command
  if (restart === true) {
    const life = { restart: { formerId: expected?.id } }
    const snapshot = await table.snapshot({ signal }).catch(undefinedWhenDamaged)
    const isBegun = snapshot !== undefined && isBegunBy(snapshot, txnOf(command))
    return { command, quality: [], snapshot: isBegun ? snapshot : undefined, life }
  }
  try {
    const snapshot = await table.snapshot({ signal })
    requireKnown(table.path, snapshot, expected)
    if (snapshot !== undefined) await requireFiles(lake, table.path, snapshot, { signal })
    return { command, quality: [], snapshot, life: { basedOnId: snapshot?.id } }
  } catch (error) {
    if (restartIfLost !== true || !isLoss(error)) throw error
    const again = await readTarget(table, { ...command, restart: true }, { lake, signal })
    const detail = `${nameOf(table)} was lost or damaged as well (${error.code}) and began again`
    return { ...again, quality: [{ rule: 'table_restarted', severity: 'warn', checked: 1, failed: 1, detail }] }
  }
}

const LOSSES = [DeltaCorruptError, TableLostError, TableReplacedError, TableFilesLostError] as const

/** Whether an error means that a table differs from the run history. */
export function isLoss(error: unknown): error is InstanceType<(typeof LOSSES)[number]> {
  return LOSSES.some((loss) => error instanceof loss)
}

const nameOf = ({ path }: DeltaTable) => path.slice(path.lastIndexOf('/') + 1)

/** The idempotency key of a command's commit. */
export function txnOf({ run, task, generation }: Refine | Build): DeltaTxn {
  return { appId: `${run}/${task}`, version: generation }
}

/** Whether the command's commit is in the table. */
export function isCommitted(command: Refine | Build, { txns }: Pick<DeltaSnapshot, 'txns'>): boolean {
  const { appId, version } = txnOf(command)
  return (txns.get(appId) ?? 0) >= version
}

/** A damaged log is one of the reasons for a restart. */
function undefinedWhenDamaged(error: unknown): undefined {
  if (error instanceof DeltaCorruptError) return undefined
  throw error
}

/** Whether the history's facts about a command's tables may be of earlier table ids. */
export function mayBegin({ restart, restartIfLost }: Pick<Refine | Build, 'restart' | 'restartIfLost'>): boolean {
  return restart === true || restartIfLost === true
}

/** A command's report about its table. */
export function tableOutput(
  table: string,
  { version, id, outcome }: Pick<CommitResult, 'version' | 'id'> & { readonly outcome: TableOutcome },
  command: Refine | Build,
  rejects: TableOutput['rejects'],
): TaskOutcome['output'] {
  const life = { ...(mayBegin(command) && { began: true }), ...(rejects !== undefined && { rejects }) }
  return { kind: 'table', table, version, id, ...life, outcome }
}

type TableOutput = Extract<TaskOutcome['output'], { kind: 'table' }>
type TableOutcome = TableOutput['outcome']

/** A command's report about a table that it leaves unchanged. */
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

/**
 * Warns where a table is created although its pipeline had rows in one of that name before: pipelines once shared table
 * names, and the rows of this one are in another pipeline's table.
 */
export async function warnOfTakenTable(
  lake: Lake,
  { pipeline, restart }: Pick<Refine | Build, 'pipeline' | 'restart'>,
  table: string,
  snapshot: DeltaSnapshot | undefined,
  signal: AbortSignal,
): Promise<QualityResult[]> {
  // A table that starts over from raw has its rows.
  if (snapshot !== undefined || restart === true) return []
  const { name } = pipeline
  const taken = await tableTakenByOther(lake, name, table, { signal })
  if (taken === undefined) return []
  const detail =
    `${taken.path} is the table of pipeline ${taken.owner}, into which ${name} wrote as well: ${table} begins here ` +
    `without those rows; to have them, rebuild it from raw: cinelake rebuild DIR ${table}, with the folder of ${name}`
  return [{ rule: 'table_of_its_own', severity: 'warn', checked: 1, failed: 1, detail }]
}
