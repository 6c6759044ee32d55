import { isEntityName } from '@cinelake/bus'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { AddCommand, CommandContext } from '../command.ts'
import type { CreateOptions, EntitiesOptions, Format } from '../commands/bus.ts'
import { withExamples, withJson } from '../options.ts'

const FORMATS: readonly Format[] = ['table', 'emulator', 'arm']

/** `cinelake bus entities|create` */
export const addBus: AddCommand = (program, context) => {
  const group = program
    .command('bus')
    .summary('the queues and topics of the message broker')
    .description('What the platform needs of a message broker: one definition, in every form that is asked for.')
  addEntities(group, context)
  addCreate(group, context)
}

function addEntities(group: Command, context: CommandContext): void {
  const command = group
    .command('entities')
    .summary('print the definition of the entities')
    .description(
      "Prints the queues, the topic and the subscriptions: as a table, as the Config.json of Microsoft's emulator, or as an " +
        'ARM template for a namespace in Azure.',
    )
    .addOption(new Option('--format <format>', 'form of the definition').choices(FORMATS).default('table'))
    .action(async (options: EntitiesOptions) => {
      const { entities } = await import('../commands/bus.ts')
      entities(options, context)
    })
  withExamples(withJson(withChoice(command)), [
    ['cinelake bus entities --site lyon', 'what there has to be'],
    ['cinelake bus entities --format emulator > Config.json', 'for the emulator'],
    ['cinelake bus entities --format arm > entities.json', 'for az deployment group create'],
  ])
}

function addCreate(group: Command, context: CommandContext): void {
  const command = group
    .command('create')
    .summary('make the entities in a namespace')
    .description(
      'Makes what the namespace of CINELAKE_BUS lacks, and corrects what differs from the definition. Nothing is removed. ' +
        'Needs the role "Azure Service Bus Data Owner", or a connection string with the right to manage.',
    )
    .action(async (options: CreateOptions) => {
      const { create } = await import('../commands/bus.ts')
      await create(options, context)
    })
  withExamples(withJson(withChoice(command)), [
    ['cinelake bus create', 'all but the queues of sites'],
    ['cinelake bus create --site lyon --site paris', 'with the queues of two sites'],
  ])
}

function withChoice(command: Command): Command {
  return command
    .option('--site <name>', 'a site with agents of its own; may be given several times', named, [])
    .option('--subscription <name>', 'who else hears the events; may be given several times', named, [])
}

function named(name: string, before: readonly string[]): readonly string[] {
  if (!isEntityName(name)) {
    throw new InvalidArgumentError('expected up to 50 letters, digits, dots, dashes and underscores')
  }
  return [...before, name]
}
