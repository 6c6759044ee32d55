import { parseFilePattern } from './file-pattern.ts'
import { findFiles } from './find-files.ts'

/**
 * The beginning of the time in the name of a folder's oldest file, as a default for the start of a schedule.
 * @returns an instant (UTC); undefined if no matching file has a time in its name
 * @throws {FILES_PATTERN_INVALID} terminal; and all errors of finding files
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
