import type { CommandContext } from '../command.ts'
import { findTable, refinedTable } from '../lake-tables.ts'
import { openExistingLake } from '../open-parts.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatCount, formatInstant, toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly state?: string; readonly limit: number; readonly json?: true }

export async function history(name: string, options: Options, { terminal, settings }: CommandContext): Promise<void> {
  await using lake = await openExistingLake(platformConfig(settings, options.state))
  const table = await refinedTable(lake, await findTable(lake, name))
  const versions = await table.history({ limit: options.limit })
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
