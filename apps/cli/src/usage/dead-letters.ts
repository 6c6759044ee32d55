import type { Command } from 'commander'
import type { AddCommand, CommandContext } from '../command.ts'
import type { Options } from '../commands/dead-letters.ts'
import { withExamples, withJson } from '../options.ts'

const ENTITY = 'a queue (`loader`, `ingest-files.lyon`), or a subscription of the events (`events/scheduler`)'

/** `cinelake dead-letters list|show|resend|discard ENTITY [ID]` */
export const addDeadLetters: AddCommand = (program, context) => {
  const group = program
    .command('dead-letters')
    .summary('look after dead-lettered messages')
    .description(
      'Messages that no service can work on - they do not keep their contract, or failed too often - wait in the dead ' +
        'letters of their queue, each with the reason. They are yours to look into, to send again or to remove.',
    )
  addList(group, context)
  addShow(group, context)
  addResend(group, context)
  addDiscard(group, context)
}

function addList(group: Command, context: CommandContext): void {
  const command = group
    .command('list')
    .summary('list the dead letters of a queue')
    .description('Lists the dead letters of a queue or a subscription, oldest first, without touching them.')
    .argument('<entity>', ENTITY)
    .action(async (entity: string, options: Options) => {
      const { list } = await import('../commands/dead-letters.ts')
      await list(entity, options, context)
    })
  withExamples(withJson(command), [
    ['cinelake dead-letters list loader', 'of the loader'],
    ['cinelake dead-letters list events/scheduler', 'of the events that the scheduler hears'],
  ])
}

function addShow(group: Command, context: CommandContext): void {
  const command = group
    .command('show')
    .summary('show one dead letter with its message')
    .description(
      'Shows why a message was dead-lettered, and the message itself as it was received, whatever it holds. It stays where it is.',
    )
    .argument('<entity>', ENTITY)
    .argument('<id>', 'as the list shows it')
    .action(async (entity: string, id: string, options: Options) => {
      const { show } = await import('../commands/dead-letters.ts')
      await show(entity, id, options, context)
    })
  withExamples(withJson(command), [['cinelake dead-letters show loader 17', 'why it is dead, and what it says']])
}

function addResend(group: Command, context: CommandContext): void {
  const command = group
    .command('resend')
    .summary('send dead letters again')
    .description(
      'Sends one dead letter again, or all, as new messages at the end of the queue. An event is published again: every ' +
        'subscription hears it, which does no harm.',
    )
    .action(async (entity: string, id: string | undefined, options: Options) => {
      const { resend } = await import('../commands/dead-letters.ts')
      await resend(entity, id, options, context)
    })
  withExamples(withJson(withChoice(command)), [
    ['cinelake dead-letters resend loader 17', 'one, when the cause is fixed'],
    ['cinelake dead-letters resend loader --all', 'all that are there now'],
  ])
}

function addDiscard(group: Command, context: CommandContext): void {
  const command = group
    .command('discard')
    .summary('remove dead letters for good')
    .description('Removes one dead letter, or all. They cannot be brought back.')
    .action(async (entity: string, id: string | undefined, options: Options) => {
      const { discard } = await import('../commands/dead-letters.ts')
      await discard(entity, id, options, context)
    })
  withExamples(withJson(withChoice(command)), [
    ['cinelake dead-letters discard loader 17', 'one that is not needed any more'],
    ['cinelake dead-letters discard loader --all', 'all that are there now'],
  ])
}

function withChoice(command: Command): Command {
  return command
    .argument('<entity>', ENTITY)
    .argument('[id]', 'as the list shows it')
    .option('--all', 'all that are there now')
}
