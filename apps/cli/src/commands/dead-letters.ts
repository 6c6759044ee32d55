import type { DeadLetter, MessageBus } from '@cinelake/bus'
import { Command as CommandSchema, Event as EventSchema } from '@cinelake/contracts'
import { ConfigError, defineErrors, terminal } from '@cinelake/core'
import type { CommandContext } from '../command.ts'
import { openBus, openLog } from '../open-parts.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { formatInstant, toJson } from '../output/format-value.ts'
import { plural } from '../output/run-tables.ts'
import { platformConfig } from '../settings.ts'

export type Options = { readonly all?: true; readonly json?: true }

const deadLetterErrors = defineErrors({
  /** The message does not exist: it was resent or discarded, or it is in another entity. */
  DEAD_LETTER_MISSING: terminal((entity: string, id: string) => [
    `there is no such dead letter [entity=${entity}, id=${id}]: expected an id that \`cinelake dead-letters list ${entity}\` shows`,
    { entity, id },
  ]),
})

export async function list(entity: string, options: Options, context: CommandContext): Promise<void> {
  const letters = await withBus(context, (bus) => bus.deadLetters(entity))
  const { print } = context.terminal
  // Without the bodies, which may hold personal data: `show` prints them, one at a time.
  if (options.json === true) {
    return print(`${toJson({ entity, deadLetters: letters.map((letter) => ({ ...letter, body: undefined })) })}\n`)
  }
  print(
    letters.length === 0
      ? `There are no dead letters in ${entity}.\n`
      : formatLetters(letters, layoutOf(context.terminal)),
  )
}

export async function show(entity: string, id: string, options: Options, context: CommandContext): Promise<void> {
  const letters = await withBus(context, (bus) => bus.deadLetters(entity))
  const letter = letters.find((each) => each.id === id)
  if (letter === undefined) throw deadLetterErrors.DEAD_LETTER_MISSING(entity, id)
  const { print } = context.terminal
  if (options.json === true) return print(`${toJson({ entity, ...letter })}\n`)
  print(formatLetter(letter))
}

export async function resend(
  entity: string,
  id: string | undefined,
  options: Options,
  context: CommandContext,
): Promise<void> {
  const count = await settle({ one: 'resend', every: 'resendAll' }, entity, id, options, context)
  tell(context, options, { entity, resent: count }, `${plural(count, 'message')} of ${entity} sent again.`)
}

export async function discard(
  entity: string,
  id: string | undefined,
  options: Options,
  context: CommandContext,
): Promise<void> {
  const count = await settle({ one: 'discard', every: 'discardAll' }, entity, id, options, context)
  tell(context, options, { entity, discarded: count }, `${plural(count, 'message')} of ${entity} discarded.`)
}

type Way = { readonly one: 'resend' | 'discard'; readonly every: 'resendAll' | 'discardAll' }

/** @returns how many messages were processed */
async function settle(
  { one, every }: Way,
  entity: string,
  id: string | undefined,
  { all }: Options,
  context: CommandContext,
): Promise<number> {
  return await withBus(context, async (bus) => {
    if ((all === true) === (id !== undefined)) {
      throw new ConfigError('it is not clear which dead letters are meant', ['expected either an id or --all'])
    }
    if (id === undefined) return await bus[every](entity)
    if (!(await bus[one](entity, id))) throw deadLetterErrors.DEAD_LETTER_MISSING(entity, id)
    return 1
  })
}

function tell({ terminal }: CommandContext, { json }: Options, facts: object, words: string): void {
  terminal.print(json === true ? `${toJson(facts)}\n` : `${words}\n`)
}

/** @throws {ConfigError} terminal: other processes cannot see this bus */
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

/** The subject of a message, where it has the form of the message contract. */
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
