import { CONTRACT_VERSION, type Command } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'
import { randomUUID } from 'node:crypto'

/** What all commands have in common. */
export type CommandHeader = Pick<
  Command,
  'contract' | 'id' | 'run' | 'task' | 'generation' | 'attempt' | 'pipeline' | 'window'
>

/** The first attempt at a task of a day's run; only the fields that matter to the test are given. */
export function aCommandHeader(fields: Partial<CommandHeader> = {}): CommandHeader {
  return {
    contract: CONTRACT_VERSION,
    id: randomUUID(),
    run: 'shop@2026-03-01',
    task: 'load orders',
    generation: 1,
    attempt: 1,
    pipeline: { name: 'shop', digest: sha256('shop') },
    window: { start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z', label: '2026-03-01' },
    ...fields,
  }
}
