import { z } from 'zod'

/** Bytes. More than a day's file of most companies has, and less than a disk. */
const DEFAULT_MAX_UNPACKED_BYTES = 4 * 1024 ** 3

/** Limits for unpacking, as read from the environment. */
export const unpackEnv = {
  /** Most bytes that one packed file may unpack to: a few megabytes can expand beyond any disk. */
  CINELAKE_MAX_UNPACKED_BYTES: z.coerce.number().int().min(1).default(DEFAULT_MAX_UNPACKED_BYTES),
}

export type UnpackLimits = { readonly maxUnpackedBytes: number }

export function unpackLimits(env: z.output<z.ZodObject<typeof unpackEnv>>): UnpackLimits {
  return { maxUnpackedBytes: env.CINELAKE_MAX_UNPACKED_BYTES }
}

export const DEFAULT_LIMITS: UnpackLimits = { maxUnpackedBytes: DEFAULT_MAX_UNPACKED_BYTES }
