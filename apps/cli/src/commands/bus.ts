import { armTemplate, busEntities, emulatorConfig, isEntityName, type BusEntities } from '@cinelake/bus'
import { createBusEntities } from '@cinelake/bus/open'
import { azureCredential } from '@cinelake/service/azure'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { CommandContext } from '../command.ts'
import { withExamples, withJson } from '../options.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

type Choice = { readonly site: readonly string[]; readonly subscription: readonly string[] }
type EntitiesOptions = Choice & { readonly format: keyof typeof FORMATS; readonly json?: true }
type CreateOptions = Choice & { readonly json?: true }

/** `cinelake bus entities|create` */
export function addBus(program: Command, context: CommandContext): void {
  const group = program
    .command('bus')
    .summary('the queues and topics of the message broker')
    .description('What the platform needs of a message broker: one definition, in every form that is asked for.')
  addEntities(group, context)
  addCreate(group, context)
}

const FORMATS = {
  table: (entities: BusEntities) => formatEntities(entities),
  emulator: (entities: BusEntities) => `${toJson(emulatorConfig(entities))}\n`,
  arm: (entities: BusEntities) => `${toJson(armTemplate(entities))}\n`,
}

function addEntities(group: Command, { terminal }: CommandContext): void {
  const command = group
    .command('entities')
    .summary('print the definition of the entities')
    .description(
      "Prints the queues, the topic and the subscriptions: as a table, as the Config.json of Microsoft's emulator, or as an " +
        'ARM template for a namespace in Azure.',
    )
    .addOption(new Option('--format <format>', 'form of the definition').choices(Object.keys(FORMATS)).default('table'))
    .action((options: EntitiesOptions) => {
      const entities = entitiesOf(options)
      terminal.print(options.json === true ? `${toJson(entities)}\n` : FORMATS[options.format](entities))
    })
  withExamples(withJson(withChoice(command)), [
    ['cinelake bus entities --site lyon', 'what there has to be'],
    ['cinelake bus entities --format emulator > Config.json', 'for the emulator'],
    ['cinelake bus entities --format arm > entities.json', 'for az deployment group create'],
  ])
}

function addCreate(group: Command, { settings, terminal }: CommandContext): void {
  const command = group
    .command('create')
    .summary('make the entities in a namespace')
    .description(
      'Makes what the namespace of CINELAKE_BUS lacks, and corrects what differs from the definition. Nothing is removed. ' +
        'Needs the role "Azure Service Bus Data Owner", or a connection string with the right to manage.',
    )
    .action(async (options: CreateOptions) => {
      const { bus } = platformConfig(settings)
      const outcomes = await createBusEntities(bus, entitiesOf(options), { credential: azureCredential })
      if (options.json === true) return terminal.print(`${toJson({ entities: outcomes })}\n`)
      const rows = outcomes.map(({ entity, outcome }) => [entity, outcome])
      terminal.print(formatTable([{ title: 'entity' }, { title: 'outcome' }], rows, layoutOf(terminal)))
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

function entitiesOf({ site, subscription }: Choice): BusEntities {
  return busEntities({ sites: site, subscriptions: subscription })
}

function formatEntities({ queues, topic, subscriptions, properties }: BusEntities): string {
  const days = properties.timeToLiveMs / 86_400_000
  const settings = [
    `${properties.lockMs / 1000} s`,
    String(properties.maxDeliveryCount),
    `${days} days${properties.deadLetteringOnExpiration ? ', then dead letters' : ''}`,
  ]
  return formatTable(
    [
      { title: 'entity' },
      { title: 'kind' },
      { title: 'lock' },
      { title: 'deliveries', align: 'right' },
      { title: 'kept' },
    ],
    [
      ...queues.map((queue) => [queue, 'queue', ...settings]),
      [topic, 'topic', '', '', `${days} days`],
      ...subscriptions.map((subscription) => [`${topic}/${subscription}`, 'subscription', ...settings]),
    ],
  )
}
