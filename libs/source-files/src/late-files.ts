import type { Manifest } from '@cinelake/contracts'
import type { FoundFile } from './find-files.ts'

/** A file that arrived after its window had been ingested. */
export type LateFile = { readonly file: FoundFile; readonly window: string }

type Look = {
  /** The manifest of the window's latest ingest; undefined if it was not ingested yet. */
  readonly manifestOf: (window: string) => Promise<Manifest | undefined>
  readonly digestOf: (file: FoundFile) => Promise<string>
}

/**
 * The files of earlier windows that their ingests did not have: new files, and new versions of old ones. A file of a
 * window that has not been ingested is not late: that window's own run takes it.
 */
export async function findLate(
  earlier: ReadonlyMap<string, readonly FoundFile[]>,
  { manifestOf, digestOf }: Look,
): Promise<LateFile[]> {
  const late: LateFile[] = []
  for (const [window, files] of [...earlier].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const manifest = await manifestOf(window)
    if (manifest === undefined) continue
    const known = namesOf(manifest)
    for (const file of files) if (await isNew(file, known, digestOf)) late.push({ file, window })
  }
  return late
}

type Known = ReturnType<typeof namesOf>

function namesOf({ files, leftOut = [] }: Manifest) {
  return {
    // Of several windows with the same name the first counts, as in a search.
    landed: new Map(files.toReversed().map((file) => [file.name, file])),
    leftOut: new Map(leftOut.toReversed().map((file) => [file.name, file])),
  }
}

async function isNew(file: FoundFile, known: Known, digestOf: Look['digestOf']): Promise<boolean> {
  const left = known.leftOut.get(file.name)
  if (left !== undefined) return left.reason === 'unstable' || (left.reason === 'empty' && file.sizeBytes > 0)
  const landed = known.landed.get(file.name)
  if (landed === undefined) return true
  if (landed.sizeBytes !== file.sizeBytes) return true
  // Manifests of earlier releases do not contain modification times.
  if (landed.modifiedAt === undefined || landed.modifiedAt === modifiedAt(file)) return false
  return landed.sha256 !== (await digestOf(file))
}

/** A file's modification time as recorded in a manifest. */
export function modifiedAt({ modifiedMs }: Pick<FoundFile, 'modifiedMs'>): string {
  return new Date(modifiedMs).toISOString()
}
