import type { z } from 'zod'

/** Undefined where the text is missing, or holds something else. */
export function parsedJson<T>(text: string | undefined, schema: z.ZodType<T>): T | undefined {
  if (text === undefined) return undefined
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
