import type { AddCommand } from '../command.ts'
import type { Options } from '../commands/rebuild.ts'
import { withExamples, withJson, withState } from '../options.ts'

/** `cinelake rebuild TABLE` */
export const addRebuild: AddCommand = (program, context) => {
  const command = program
    .command('rebuild')
    .summary('make a table again from what has landed, and what depends on it')
    .description(
      'Makes tables again from raw, window by window, oldest first, and then what depends on them. Sources are not read. ' +
        'The table begins again with the first window, whatever is there: also where it is damaged, gone or of other ' +
        'columns. What is loaded into the mart stays as it is until the table is whole. Stopped or failed, the same ' +
        'command resumes.\n\n' +
        "Without the pipeline's folder it is made under the text of its newest run.",
    )
    .argument('[dir]', "the pipeline's folder")
    .argument('[tables...]', 'tables, by their names in the lake or in the mart')
    .option('--from <window>', 'only from this window on, applied onto what is there')
    .option('--to <window>', 'only up to this window; the last complete one unless told otherwise')
    .option('--all', 'all tables of the pipeline')
    .action(async (dir: string | undefined, tables: string[], options: Options) => {
      const { rebuild } = await import('../commands/rebuild.ts')
      await rebuild([...(dir === undefined ? [] : [dir]), ...tables], options, context)
    })
  withExamples(withJson(withState(command)), [
    ['cinelake rebuild orders', 'the table orders, from all that has landed'],
    ['cinelake rebuild pipelines/mine orders', 'the same, under the text as it is in the folder'],
    ['cinelake rebuild pipelines/mine --all', 'all tables, after the lake lost them'],
  ])
}
