import { balanceHolds } from '@cinelake/core'
import type { RunRecord, TaskRecord } from '@cinelake/run-store'
import type { Warehouse } from '@cinelake/warehouse'
import { describeError, describeTask } from '../output/describe-task.ts'
import { formatResult } from '../output/format-result.ts'
import { formatTable } from '../output/format-table.ts'
import { formatCount, formatDuration } from '../output/format-value.ts'
import { paintState } from '../output/run-tables.ts'
import type { Paint } from '../output/terminal.ts'

/** A question of `summary.yaml` with the mart's answer. */
export type Answer = { readonly title: string } & Awaited<ReturnType<Warehouse['query']>>

/** Whether everything is accounted for: each task of each run is done and its balance holds. */
export function isAllWell(runs: readonly RunRecord[]): boolean {
  return runs.every(
    ({ state, tasks }) =>
      state === 'succeeded' && tasks.every(({ balance }) => balance !== null && balanceHolds(balance)),
  )
}

/** The results of the days, from the tasks to the answers. */
export function formatSummary(
  runs: readonly RunRecord[],
  answers: readonly Answer[],
  { paint, width }: { readonly paint: Paint; readonly width: number },
): string {
  const layout = { paint, width, indent: '  ' }
  const sections: (readonly [title: string, text: string])[] = [
    ['Tasks', formatTasks(runs, layout)],
    ['Balance of every dataset', formatBalances(runs, layout)],
    ['Rejected rows by rule', formatRejects(runs, layout)],
    ...answers.map((answer) => [answer.title, formatResult(answer, layout)] as const),
  ]
  const failures = runs.flatMap(({ id, tasks }) =>
    tasks
      .filter(({ state }) => state === 'failed')
      .map((task) => `  ${id}  ${task.name}: ${describeError(task.error)}\n`),
  )
  if (failures.length > 0) sections.push(['What failed', paint('red', failures.join(''))])
  return sections.map(([title, text]) => `\n${paint('bold', title)}\n${text}`).join('')
}

/** `2026-03-01 succeeded in 12.3 s` and so on, one line per day. */
export function formatDays(runs: readonly RunRecord[], paint: Paint): string {
  return runs
    .map(({ window, state, durationMs, tasks }) => {
      const took = durationMs === null ? '' : ` in ${formatDuration(durationMs)}`
      return `${window.label}  ${paintState(paint, state)}${took}, ${formatCount(tasks.length)} tasks\n`
    })
    .join('')
}

type Layout = { readonly paint: Paint; readonly width: number; readonly indent: string }

function formatTasks(runs: readonly RunRecord[], layout: Layout): string {
  const names = [...new Set(runs.flatMap(({ tasks }) => tasks.map(({ name }) => name)))]
  return formatTable(
    [
      { title: 'task' },
      ...runs.flatMap(({ window }) => [
        { title: 'took', align: 'right' as const },
        { title: window.label, maxWidth: 46 },
      ]),
    ],
    names.map((name) => [
      name,
      ...runs.flatMap(({ tasks }) => {
        const task = tasks.find((candidate) => candidate.name === name)
        if (task === undefined) return ['', '']
        return [task.durationMs === null ? '' : formatDuration(task.durationMs), describeTask(task)]
      }),
    ]),
    layout,
  )
}

function formatBalances(runs: readonly RunRecord[], layout: Layout): string {
  const { paint } = layout
  const refined = runs.flatMap(({ window, tasks }) =>
    tasks.filter(isTable).map((task) => ({ window: window.label, task })),
  )
  return formatTable(
    [
      { title: 'dataset' },
      { title: 'day' },
      ...['in', 'out', 'rejected', 'duplicates'].map((title) => ({ title, align: 'right' as const })),
      { title: '' },
    ],
    refined.map(({ window, task: { name, balance } }) => [
      tableOf(name),
      window,
      ...(balance === null
        ? ['', '', '', '']
        : [balance.in, balance.out, balance.rejected, balance.duplicates].map(formatCount)),
      balance !== null && balanceHolds(balance) ? paint('green', 'holds') : paint('red', 'BROKEN'),
    ]),
    layout,
  )
}

function formatRejects(runs: readonly RunRecord[], layout: Layout): string {
  const rules = new Map<
    string,
    { readonly table: string; readonly rule: string; readonly counts: Map<string, number> }
  >()
  for (const { window, tasks } of runs) {
    for (const task of tasks) {
      for (const [rule, count] of Object.entries(task.rejects)) {
        const key = `${task.name} ${rule}`
        const known = rules.get(key) ?? { table: tableOf(task.name), rule, counts: new Map<string, number>() }
        rules.set(key, { ...known, counts: known.counts.set(window.label, count) })
      }
    }
  }
  if (rules.size === 0) return '  none\n'
  return formatTable(
    [
      { title: 'dataset' },
      { title: 'rule' },
      ...runs.map(({ window }) => ({ title: window.label, align: 'right' as const })),
    ],
    [...rules.values()].map(({ table, rule, counts }) => [
      table,
      rule,
      ...runs.map(({ window }) => formatCount(counts.get(window.label) ?? 0)),
    ]),
    layout,
  )
}

/** Landed datasets, and models that reject or drop rows. */
function isTable({ kind, balance }: TaskRecord): boolean {
  if (kind === 'refine') return true
  return kind === 'build' && balance !== null && balance.rejected + balance.duplicates > 0
}

/** `refine titles` → `titles` */
function tableOf(task: string): string {
  return task.slice(task.indexOf(' ') + 1)
}
