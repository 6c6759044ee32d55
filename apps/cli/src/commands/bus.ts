import { armTemplate, busEntities, emulatorConfig, type BusEntities } from '@cinelake/bus'
import { createBusEntities } from '@cinelake/bus/open'
import { azureCredential } from '@cinelake/service/azure'
import type { CommandContext } from '../command.ts'
import { formatTable, layoutOf } from '../output/format-table.ts'
import { toJson } from '../output/format-value.ts'
import { platformConfig } from '../settings.ts'

/** Output formats of the definition. */
export type Format = 'table' | 'emulator' | 'arm'

type Choice = { readonly site: readonly string[]; readonly subscription: readonly string[] }
type EntitiesOptions = Choice & { readonly format: Format; readonly json?: true }
type CreateOptions = Choice & { readonly json?: true }

const FORMATS: Readonly<Record<Format, (entities: BusEntities) => string>> = {
  table: (entities) => formatEntities(entities),
  emulator: (entities) => `${toJson(emulatorConfig(entities))}\n`,
  arm: (entities) => `${toJson(armTemplate(entities))}\n`,
}

export function entities(options: EntitiesOptions, { terminal }: CommandContext): void {
  const defined = entitiesOf(options)
  terminal.print(options.json === true ? `${toJson(defined)}\n` : FORMATS[options.format](defined))
}

export async function create(options: CreateOptions, { settings, terminal }: CommandContext): Promise<void> {
  const { bus } = platformConfig(settings)
  const outcomes = await createBusEntities(bus, entitiesOf(options), { credential: azureCredential })
  if (options.json === true) return terminal.print(`${toJson({ entities: outcomes })}\n`)
  const rows = outcomes.map(({ entity, outcome }) => [entity, outcome])
  terminal.print(formatTable([{ title: 'entity' }, { title: 'outcome' }], rows, layoutOf(terminal)))
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
