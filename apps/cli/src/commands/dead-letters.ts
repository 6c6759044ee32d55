import type { DeadLetter, MessageBus } from '@cinelake/bus'
import { Command as CommandSchema, Event as EventSchema } from '@cinelake/contracts'
import { ConfigError, TerminalError } from '@cinelake/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command.ts'
import { openBus, openLog } from '../open-parts.ts'
import { withExamples, withJson } from '../options.ts'
import { plural } from '../output/describe-task.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatInstant, toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

type Options = { readonly all?: true; readonly json?: true }

/** Asked for something that is not there: it was resent or discarded, or it is in another entity. */
class DeadLetterMissingError extends TerminalError {
  readonly code = 'DEAD_LETTER_MISSING'

  constructor(entity: string, id: string) {
    super(
      `there is no such dead letter [entity=${entity}, id=${id}]: expected an id that \`cinelake dead-letters list ${entity}\` shows`,
      { entity, id },
    )
  }
}

const ENTITY = 'a queue (`loader`, `ingest-files.lyon`), or a subscription of the events (`events/scheduler`)'

/** `cinelake dead-letters list|show|resend|discard ENTITY [ID]` */
export function addDeadLetters(program: Command, context: CommandContext): void {
  const group = program
    .command('dead-letters')
    .summary('look after messages that were given up')
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
      const letters = await withBus(context, (bus) => bus.deadLetters(entity))
      const { print } = context.terminal
      // Without the messages: those are shown one at a time, to whoever asks.
      if (options.json === true) {
        return print(`${toJson({ entity, deadLetters: letters.map((letter) => ({ ...letter, body: undefined })) })}\n`)
      }
      print(
        letters.length === 0
          ? `There are no dead letters in ${entity}.\n`
          : formatLetters(letters, layoutOf(context.terminal)),
      )
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
      'Shows why a dead letter was given up, and the message itself as it was received, whatever it holds. It stays where it is.',
    )
    .argument('<entity>', ENTITY)
    .argument('<id>', 'as the list shows it')
    .action(async (entity: string, id: string, options: Options) => {
      const letters = await withBus(context, (bus) => bus.deadLetters(entity))
      const letter = letters.find((each) => each.id === id)
      if (letter === undefined) throw new DeadLetterMissingError(entity, id)
      const { print } = context.terminal
      if (options.json === true) return print(`${toJson({ entity, ...letter })}\n`)
      print(formatLetter(letter))
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
      const count = await withBus(context, (bus) =>
        eachOrAll(
          entity,
          id,
          options,
          (one) => bus.resend(entity, one),
          () => bus.resendAll(entity),
        ),
      )
      tell(context, options, { entity, resent: count }, `${plural(count, 'message')} of ${entity} sent again.`)
    })
  withExamples(withJson(withChoice(command)), [
    ['cinelake dead-letters resend loader 17', 'one, when what was wrong is mended'],
    ['cinelake dead-letters resend loader --all', 'all that are there now'],
  ])
}

function addDiscard(group: Command, context: CommandContext): void {
  const command = group
    .command('discard')
    .summary('remove dead letters for good')
    .description('Removes one dead letter, or all. They cannot be brought back.')
    .action(async (entity: string, id: string | undefined, options: Options) => {
      const count = await withBus(context, (bus) =>
        eachOrAll(
          entity,
          id,
          options,
          (one) => bus.discard(entity, one),
          () => bus.discardAll(entity),
        ),
      )
      tell(context, options, { entity, discarded: count }, `${plural(count, 'message')} of ${entity} discarded.`)
    })
  withExamples(withJson(withChoice(command)), [
    ['cinelake dead-letters discard loader 17', 'one that nobody needs any more'],
    ['cinelake dead-letters discard loader --all', 'all that are there now'],
  ])
}

function withChoice(command: Command): Command {
  return command
    .argument('<entity>', ENTITY)
    .argument('[id]', 'as the list shows it')
    .option('--all', 'all that are there now')
}

async function eachOrAll(
  entity: string,
  id: string | undefined,
  { all = false }: { readonly all?: boolean },
  one: (id: string) => Promise<boolean>,
  every: () => Promise<number>,
): Promise<number> {
  if (all === (id !== undefined)) {
    throw new ConfigError('it is not clear which dead letters are meant', ['expected either an id or --all'])
  }
  if (id === undefined) return await every()
  if (!(await one(id))) throw new DeadLetterMissingError(entity, id)
  return 1
}

function tell({ terminal }: CommandContext, { json }: Options, facts: object, words: string): void {
  terminal.print(json === true ? `${toJson(facts)}\n` : `${words}\n`)
}

/** @throws {ConfigError} terminal: the bus is one that other processes cannot see */
async function withBus<T>({ settings, terminal }: CommandContext, work: (bus: MessageBus) => Promise<T>): Promise<T> {
  const config = platformConfig(settings)
  if (config.bus.url.toLowerCase().startsWith('memory:')) {
    throw new ConfigError('a message bus in memory cannot be looked into', [
      'CINELAKE_BUS: expected the address of a broker such as sb://NAMESPACE.servicebus.windows.net, got a bus that lives and ends with the process that uses it',
    ])
  }
  await using bus = await openBus(
    config,
    openLog(config, terminal, (line) => line),
  )
  return await work(bus)
}

function formatLetters(letters: readonly DeadLetter[], layout: ReturnType<typeof layoutOf>): string {
  return formatTable(
    [
      { title: 'id', align: 'right' },
      { title: 'reason' },
      { title: 'deliveries', align: 'right' },
      { title: 'since' },
      { title: 'about' },
    ],
    letters.map((letter) => [
      letter.id,
      letter.reason,
      String(letter.deliveryCount),
      formatInstant(letter.deadLetteredAt),
      aboutOf(letter.body),
    ]),
    layout,
  )
}

/** What a message is about, where it says so in the form that is agreed. */
function aboutOf(body: unknown): string {
  const message = CommandSchema.safeParse(body).data ?? EventSchema.safeParse(body).data
  if (message === undefined) return 'a message that does not keep its contract'
  return 'run' in message ? `${message.kind} ${message.run}/${message.task}` : message.kind
}

function formatLetter({ id, reason, description, deliveryCount, deadLetteredAt, body }: DeadLetter): string {
  const facts = [
    ['id', id],
    ['reason', reason],
    ['description', description],
    ['deliveries', String(deliveryCount)],
    ['since', formatInstant(deadLetteredAt)],
  ]
  const lines = facts.map(([name = '', value]) => `${name.padEnd(13)}${value}\n`).join('')
  return `${lines}\nThe message, as it was received:\n${typeof body === 'string' ? body : toJson(body)}\n`
}
