import { isEntityName } from '@cinelake/bus'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { AddCommand, CommandContext } from '../command.ts'
import type { Format } from '../commands/bus.ts'
import { lazily, pipelineFolder, withExamples, withJson, withState } from '../options.ts'

const FORMATS: readonly Format[] = ['table', 'emulator', 'arm']

const addBus: AddCommand = (program, context) => {
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
    .action(lazily(context, async () => (await import('../commands/bus.ts')).entities))
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
    .action(lazily(context, async () => (await import('../commands/bus.ts')).create))
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

const addAgent: AddCommand = (program, context) => {
  const group = program
    .command('agent')
    .alias('agents')
    .summary('the on-prem agents: which there are, and whether a site has what it needs')
    .description('The agents that land files and databases of a site.')
  addList(group, context)
  addCheck(group, context)
}

function addCheck(group: Command, context: CommandContext): void {
  const command = group
    .command('check')
    .summary('check everything that this machine needs to be an agent')
    .description(
      'Checks with the settings of this machine what an agent needs: version, disk, proxy, certificates, its queue, the ' +
        "lake, the clock, and with --pipeline the folders and databases of its site's sources. Says what is fine and what " +
        'to fix. Takes no command and lands nothing; to find out whether it may, it sends the scheduler one heartbeat, and ' +
        'writes and deletes one object of the lake. Exit code 1 when there is something to fix.',
    )
    .option('--pipeline <dir>', "the pipeline's folder: its sources of this site are checked as well", pipelineFolder)
    .action(lazily(context, async () => (await import('../commands/agent.ts')).check))
  withExamples(withJson(command), [
    ['cinelake agent check', 'bus, lake and machine'],
    ['cinelake agent check --pipeline pipelines/mine', 'folders and databases, too'],
  ])
}

function addList(group: Command, context: CommandContext): void {
  const command = group
    .command('list', { isDefault: true })
    .summary('show the agents by their latest heartbeat')
    .description('Shows the agents that the scheduler has heard of, each with its latest heartbeat.')
    .action(lazily(context, async () => (await import('../commands/agent.ts')).list))
  withExamples(withJson(withState(command)), [['cinelake agents', 'all of them']])
}

const ENTITY = 'a queue (`loader`, `ingest-files.lyon`), or a subscription of the events (`events/scheduler`)'

const addDeadLetters: AddCommand = (program, context) => {
  const group = program
    .command('dead-letters')
    .summary('look after dead-lettered messages')
    .description(
      'Messages that no service can work on - they do not keep their contract, or failed too often - wait in the dead ' +
        'letters of their queue, each with the reason. They are yours to look into, to send again or to remove.',
    )
  addLetterList(group, context)
  addLetter(group, context)
  addResending(group, context)
  addDiscarding(group, context)
}

function addLetterList(group: Command, context: CommandContext): void {
  const command = group
    .command('list')
    .summary('list the dead letters of a queue')
    .description('Lists the dead letters of a queue or a subscription, oldest first, without touching them.')
    .argument('<entity>', ENTITY)
    .action(lazily(context, async () => (await import('../commands/dead-letters.ts')).list))
  withExamples(withJson(command), [
    ['cinelake dead-letters list loader', 'of the loader'],
    ['cinelake dead-letters list events/scheduler', 'of the events that the scheduler hears'],
  ])
}

function addLetter(group: Command, context: CommandContext): void {
  const command = group
    .command('show')
    .summary('show one dead letter with its message')
    .description(
      'Shows why a message was dead-lettered, and the message itself as it was received, whatever it holds. It stays where it is.',
    )
    .argument('<entity>', ENTITY)
    .argument('<id>', 'as the list shows it')
    .action(lazily(context, async () => (await import('../commands/dead-letters.ts')).show))
  withExamples(withJson(command), [['cinelake dead-letters show loader 17', 'why it is dead, and what it says']])
}

function addResending(group: Command, context: CommandContext): void {
  const command = group
    .command('resend')
    .summary('send dead letters again')
    .description(
      'Sends one dead letter again, or all, as new messages at the end of the queue. An event is published again: every ' +
        'subscription hears it, which does no harm.',
    )
    .action(lazily(context, async () => (await import('../commands/dead-letters.ts')).resend))
  withExamples(withJson(withLetters(command)), [
    ['cinelake dead-letters resend loader 17', 'one, when the cause is fixed'],
    ['cinelake dead-letters resend loader --all', 'all that are there now'],
  ])
}

function addDiscarding(group: Command, context: CommandContext): void {
  const command = group
    .command('discard')
    .summary('remove dead letters for good')
    .description('Removes one dead letter, or all. They cannot be brought back.')
    .action(lazily(context, async () => (await import('../commands/dead-letters.ts')).discard))
  withExamples(withJson(withLetters(command)), [
    ['cinelake dead-letters discard loader 17', 'one that is not needed any more'],
    ['cinelake dead-letters discard loader --all', 'all that are there now'],
  ])
}

function withLetters(command: Command): Command {
  return command
    .argument('<entity>', ENTITY)
    .argument('[id]', 'as the list shows it')
    .option('--all', 'all that are there now')
}

/** The commands about the broker and the agents, in the order of the help. */
export const OPERATION_COMMANDS = [addDeadLetters, addBus, addAgent]
