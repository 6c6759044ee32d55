import type { CommandContext } from '../command.ts'
import { readWarehouse } from '../open-parts.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatCount, formatInstant, toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly state?: string; readonly json?: true }

/** Also the output of `query "SHOW TABLES"`. */
export async function tables(options: Options, { terminal, settings }: CommandContext): Promise<void> {
  const loaded = await readWarehouse(platformConfig(settings, options.state), async (warehouse) => {
    const described = await warehouse.describe()
    const descriptions = new Map(described.map((table) => [placeText(table), table.description]))
    const tables = await warehouse.tables()
    return tables.map((table) => ({ ...table, description: descriptions.get(placeText(table)) ?? null }))
  })
  if (options.json === true) return terminal.print(`${toJson({ tables: loaded })}\n`)
  if (loaded.length === 0) return terminal.print('The mart has no tables yet.\n')
  // One schema, one pipeline, or a schema with the pipeline's name: these columns are redundant.
  const hasSchemas = new Set(loaded.map(({ schema }) => schema)).size > 1
  const hasOwners =
    new Set(loaded.map(({ pipeline }) => pipeline)).size > 1 &&
    loaded.some(({ schema, pipeline }) => schema !== pipeline)
  terminal.print(
    formatTable(
      [
        { title: 'table' },
        ...(hasOwners ? [{ title: 'pipeline' }] : []),
        { title: 'rows', align: 'right' },
        { title: 'version', align: 'right' },
        { title: 'loaded at' },
        { title: 'description' },
      ],
      loaded.map(({ schema, name, pipeline, rowCount, version, loadedAt, description }) => [
        hasSchemas ? placeText({ schema, name }) : name,
        ...(hasOwners ? [pipeline] : []),
        formatCount(rowCount),
        String(version),
        formatInstant(loadedAt),
        firstSentence(description ?? ''),
      ]),
      layoutOf(terminal),
    ),
  )
}

/** The name as a query may write it. */
function placeText({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`
}

/** `describe` shows the rest. */
function firstSentence(text: string): string {
  return /^[\s\S]*?[.:;](?=\s|$)/.exec(text.trim())?.[0].replaceAll(/\s+/g, ' ') ?? text.trim().replaceAll(/\s+/g, ' ')
}
