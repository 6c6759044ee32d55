import { openPlace, type PlaceDeps, PlaceRefusedError, placeSchemeOf } from '@cinelake/file-places'
import { filledAccess } from '@cinelake/file-places/config'
import type { Fill } from '@cinelake/secrets'
import type { FilesDataset, FilesSource } from '../config/index.ts'
import type { DropPlace } from './drop-place.ts'
import { createFolderPlace } from './folder.ts'
import { archiveFolder } from './local-paths.ts'
import { createRemotePlace } from './remote.ts'

export type DropPlaceDeps = PlaceDeps & {
  /** Fills the placeholders on this machine. */
  readonly fill: Fill
}

type Wanted = { readonly source: FilesSource; readonly dataset: Pick<FilesDataset, 'afterLanding'> }

/**
 * Works in the place of a dataset's files, and closes it. Where it refuses the credentials, they are read once more, as
 * they may have been replaced, and the work is done again.
 */
export async function inDropPlace<T>(
  wanted: Wanted,
  deps: DropPlaceDeps,
  work: (place: DropPlace) => Promise<T>,
): Promise<T> {
  try {
    await using place = await openDropPlace(wanted, deps, false)
    return await work(place)
  } catch (error) {
    if (!(error instanceof PlaceRefusedError) || wanted.source.auth === undefined) throw error
    await using place = await openDropPlace(wanted, deps, true)
    return await work(place)
  }
}

async function openDropPlace({ source, dataset }: Wanted, deps: DropPlaceDeps, refresh: boolean): Promise<DropPlace> {
  const { fill } = deps
  const { afterLanding } = dataset
  const path = await fill(source.path)
  const archive = typeof afterLanding === 'object' ? await fill(afterLanding.archive) : undefined
  if (placeSchemeOf(path) === undefined) {
    return createFolderPlace({
      source: source.name,
      folder: path,
      archive: archive === undefined ? undefined : archiveFolder(path, archive),
    })
  }
  const place = await openPlace(path, await filledAccess(source, fill, { refresh }), deps)
  return createRemotePlace({ source: source.name, place, archive })
}
