import type { Fill } from '@cinelake/secrets'
import type { Settings } from '@cinelake/service'
import type { PlatformConfig } from '../settings.ts'
import type { Target } from './read-target.ts'

/** What it takes to read the first rows of a dataset. */
export type Reading = {
  readonly config: PlatformConfig
  readonly settings: Settings
  readonly limit: number
  readonly window: string | undefined
  readonly now: Date
  readonly signal: AbortSignal
  readonly target: Target
  readonly fill: Fill
  /** Scratch. */
  readonly directory: string
}
