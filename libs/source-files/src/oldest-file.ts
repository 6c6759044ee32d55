import { parseFilePattern } from './file-pattern.ts'
import { findFiles } from './find-files.ts'

/**
 * When the time begins that the oldest of a folder's files has in its name, for a schedule to begin with it.
 * @returns an instant (UTC); undefined where no file that fits has a time in its name
 * @throws {FILES_PATTERN_INVALID} terminal; and what finding files throws
 */
export async function oldestFile(
  folder: string,
  files: string,
  { source, timeZone, signal }: { readonly source: string; readonly timeZone: string; readonly signal: AbortSignal },
): Promise<Date | undefined> {
  const pattern = parseFilePattern(files)
  const found = await findFiles({ source, folder }, pattern, { signal })
  const starts = found.flatMap(({ name }) => {
    const verdict = pattern.judge(name, timeZone)
    return verdict.kind === 'timed' ? [Date.parse(verdict.start)] : []
  })
  const oldest = starts.reduce((one, other) => Math.min(one, other), Infinity)
  return oldest === Infinity ? undefined : new Date(oldest)
}
