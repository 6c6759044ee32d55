import { z } from 'zod'

/** Bytes. More than a day's file of most companies has, and less than a disk. */
const DEFAULT_MAX_UNPACKED_BYTES = 4 * 1024 ** 3

/** What may be unpacked, as it comes from the environment. */
export const unpackEnv = {
  /** Bytes that may come out of one packed file: a few megabytes can hold more than any disk. */
  CINELAKE_MAX_UNPACKED_BYTES: z.coerce.number().int().min(1).default(DEFAULT_MAX_UNPACKED_BYTES),
}

export type UnpackLimits = { readonly maxUnpackedBytes: number }

export function unpackLimits(env: z.output<z.ZodObject<typeof unpackEnv>>): UnpackLimits {
  return { maxUnpackedBytes: env.CINELAKE_MAX_UNPACKED_BYTES }
}

export const DEFAULT_LIMITS: UnpackLimits = { maxUnpackedBytes: DEFAULT_MAX_UNPACKED_BYTES }
