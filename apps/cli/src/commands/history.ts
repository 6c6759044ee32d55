import type { CommandContext } from '../command.ts'
import { findTable, namedBy, openLakeOfTables, refinedTable, refuseLost } from '../lake-tables.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatCount, formatInstant, toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly state?: string; readonly limit: number; readonly json?: true }

export async function history(name: string, options: Options, { terminal, settings }: CommandContext): Promise<void> {
  const config = platformConfig(settings, options.state)
  const isMeant = namedBy(name)
  await using lake = await openLakeOfTables(config, isMeant)
  const table = await refinedTable(lake, await findTable(config, lake, name))
  const versions = await table.history({ limit: options.limit })
  if (versions.length === 0) await refuseLost(config, lake, (one) => !one.isRejects && isMeant(one))
  if (options.json === true) return terminal.print(`${toJson({ table: name, versions })}\n`)
  terminal.print(
    formatTable(
      [
        { title: 'version', align: 'right' },
        { title: 'at' },
        { title: 'operation' },
        { title: 'rows added', align: 'right' },
        { title: 'files added', align: 'right' },
        { title: 'files removed', align: 'right' },
        { title: 'by task' },
      ],
      versions.map((commit) => [
        String(commit.version),
        formatInstant(commit.at.toISOString()),
        commit.operation,
        formatCount(commit.addedRowCount),
        formatCount(commit.addedFileCount),
        formatCount(commit.removedFileCount),
        commit.txn?.appId ?? '',
      ]),
      layoutOf(terminal),
    ),
  )
}
