/** Runs the command line of one installation and gives what it prints. */
export type Cli = (args: readonly string[]) => Promise<string>

/** What an installation made of its windows, in a form that can be compared with that of another one. */
export type Content = {
  /** Rows and a digest of each table that analysts see. */
  readonly mart: Readonly<Record<string, string>>
  /** State and balance of each task, by window and task. */
  readonly tasks: Readonly<Record<string, string>>
}

type Task = { readonly name: string; readonly state: string; readonly balance: unknown }

/** Reads an installation through its command line, as an operator would. */
export async function contentOf(cli: Cli, windows: readonly string[]): Promise<Content> {
  const json = async <T>(args: readonly string[]) => JSON.parse(await cli([...args, '--json'])) as T
  const mart: Record<string, string> = {}
  const { tables } = await json<{ tables: { schema: string; name: string }[] }>(['tables'])
  for (const { schema, name } of tables) {
    const sql = `SELECT count(*) AS n, md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), '')) AS digest FROM "${schema}"."${name}" t`
    const { rows } = await json<{ rows: unknown[] }>(['query', sql])
    mart[`${schema}.${name}`] = JSON.stringify(rows[0])
  }
  const tasks: Record<string, string> = {}
  for (const window of windows) {
    const run = await json<{ tasks: Task[] }>(['status', `ott@${window}`])
    for (const task of run.tasks) tasks[`${window} ${task.name}`] = `${task.state} ${JSON.stringify(task.balance)}`
  }
  return { mart, tasks }
}

/** What differs between two installations, a line each. */
export function differences(expected: Content, got: Content): string[] {
  return (['mart', 'tasks'] as const).flatMap((part) => {
    const names = new Set([...Object.keys(expected[part]), ...Object.keys(got[part])])
    return [...names]
      .filter((name) => expected[part][name] !== got[part][name])
      .map(
        (name) => `${part} ${name}: expected ${expected[part][name] ?? 'nothing'}, got ${got[part][name] ?? 'nothing'}`,
      )
  })
}
