import { balanceHolds, formatBalance, type Balance, type ErrorReport } from '@cinelake/core'
import type { TaskOutput } from '@cinelake/contracts'
import type { ShownFacts } from '@cinelake/run-store'
import { formatBytes, formatCount } from './format-value.ts'

/** The displayed fields of a task: from the run's record, or from a change event. */
export type ShownTask = Pick<ShownFacts, 'balance' | 'output' | 'error'> & {
  readonly state: string
  readonly reason: string | null
}

/**
 * A task's result in a few words: `1,980 rows, 20 rejected`, `3 files, 1.2 MB`, `already loaded`, `FILES_MISSING: no
 * file came`.
 */
export function describeTask({ state, balance, output, error, reason }: ShownTask): string {
  if (state === 'retrying') return `${error?.code ?? 'failed'}; it is tried again`
  if (state === 'failed') return error === null ? 'failed' : `${error.code}: ${firstWords(error.message)}`
  if (state === 'skipped') return reason ?? 'skipped'
  if (balance === null || output === null) return ''
  if (!balanceHolds(balance)) return `the balance is broken: ${formatBalance(balance)}`
  return [describeOutput(output, balance), ...describeLosses(balance)].join(', ')
}

/** An error in full. */
export function describeError(error: ErrorReport | null): string {
  return error === null ? 'failed' : `${error.code}: ${error.message}`
}

/** The failure alone, without the place, the expectation and the remedy. */
function firstWords(message: string): string {
  return message.split(/\s*(?:\[|[:;](?:\s|$)|\n)/, 1)[0] ?? ''
}

function describeOutput(output: TaskOutput, balance: Balance): string {
  if (output.kind === 'tables') return plural(output.tables.length, 'table')
  if (output.kind === 'landed') {
    if (output.fileCount === 0) return 'nothing new'
    const count = output.rowCount === undefined ? plural(output.fileCount, 'file') : plural(output.rowCount, 'row')
    return `${count}, ${formatBytes(output.sizeBytes)}`
  }
  const rows = plural(balance.out, 'row')
  switch (output.outcome) {
    case 'already-loaded':
      return `${rows}, already loaded`
    case 'changed':
      return output.kind === 'loaded' ? `${rows}, ${formatCount(output.sentRowCount)} sent` : rows
    // No row was counted: the table is unchanged.
    case 'unchanged':
    case 'superseded':
      return output.outcome
    default:
      return rows
  }
}

function describeLosses({ rejected, duplicates }: Balance): string[] {
  return [
    ...(rejected === 0 ? [] : [`${formatCount(rejected)} rejected`]),
    ...(duplicates === 0 ? [] : [plural(duplicates, 'duplicate')]),
  ]
}

/** `1 row`, `2,000 rows` */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
