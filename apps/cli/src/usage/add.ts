import type { Command } from 'commander'
import type { SourceQuestions } from '@cinelake/source-kind/questions'
import { ADDED_KINDS } from '../add/kinds.ts'
import type { AddCommand, CommandContext } from '../command.ts'
import { pipelineFolder, withExamples, withJson } from '../options.ts'

/** `cinelake add rest|files|database|push [DIR]` */
export const addAdd: AddCommand = (program, context) => {
  const group = program
    .command('add')
    .summary('add a source to a pipeline')
    .description(
      'Asks what has to be known of a source and writes it into pipeline.yaml, whose comments and order stay. Every answer ' +
        'is also a flag: with all of them nothing is asked. A source that is there already gets one more dataset. In a ' +
        'folder without a pipeline one is begun.',
    )
  for (const kind of ADDED_KINDS) addKind(group, kind, context)
}

function addKind(group: Command, kind: SourceQuestions, context: CommandContext): void {
  const command = group
    .command(kind.type)
    .summary(`add ${kind.about}`)
    .description(`Adds ${kind.about} to a pipeline.`)
    .argument('[dir]', "the pipeline's folder", pipelineFolder, '.')
  for (const { flag, value, ask, choices, default: usual } of kind.questions) {
    const notes = [
      ...(choices === undefined ? [] : [choices.join(', ')]),
      ...(typeof usual === 'string' ? [`usually ${usual}`] : []),
    ]
    command.option(`--${flag} ${value}`, notes.length === 0 ? ask : `${ask} (${notes.join('; ')})`)
  }
  command.action(async (folder: string, options: Record<string, unknown>) => {
    const { addSource } = await import('../commands/add.ts')
    await addSource(kind, folder, options, context)
  })
  withExamples(withJson(command), [[`cinelake add ${kind.type} pipelines/mine`, 'ask for all of it']])
}
