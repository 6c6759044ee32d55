import { WINDOW_LENGTHS } from '@cinelake/core'
import { z } from 'zod'

/** Which windows a pipeline has, and when they are run. */
export const Schedule = z.object({
  every: z.enum(WINDOW_LENGTHS),
  timeZone: z.string(),
  /** The first window's label; nothing before it is caught up on. */
  start: z.string(),
  /** How long after the end of a window its run starts, for data that comes late. */
  delayMs: z.int().min(0),
})
export type Schedule = z.infer<typeof Schedule>
