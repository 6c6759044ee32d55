import type { Build, Refine } from '@cinelake/contracts'
import { DeltaCorruptError, type DeltaSnapshot, type DeltaTable } from '@cinelake/delta'

/**
 * The table that a command's rows go onto. None where the command begins the table again: whatever is there is not looked
 * at, which may be damaged or of another text. A command that is delivered again after its commit finds its own table.
 */
export async function tableBefore(
  table: DeltaTable,
  command: Pick<Refine | Build, 'run' | 'task' | 'generation' | 'restart'>,
  signal: AbortSignal,
): Promise<DeltaSnapshot | undefined> {
  if (command.restart !== true) return await table.snapshot({ signal })
  try {
    const snapshot = await table.snapshot({ signal })
    return snapshot !== undefined && isCommitted(command, snapshot) ? snapshot : undefined
  } catch (error) {
    if (error instanceof DeltaCorruptError) return undefined
    throw error
  }
}

/** Whether the command's commit is in the table. */
export function isCommitted(
  { run, task, generation }: Pick<Refine | Build, 'run' | 'task' | 'generation'>,
  { txns }: Pick<DeltaSnapshot, 'txns'>,
): boolean {
  return (txns.get(`${run}/${task}`) ?? 0) >= generation
}
