import { WindowSchema } from '@cinelake/contracts'
import { CsvForm } from '@cinelake/pipeline'
import { z } from 'zod'

/** A file of a delivery, as its manifest tells those who get it. */
const DeliveredFile = z.object({
  /** Its name below the place. */
  file: z.string(),
  /** The refined table, with the version whose rows it has. */
  table: z.string(),
  tableId: z.string(),
  version: z.int(),
  rows: z.int(),
  bytes: z.int(),
  /** Lowercase hex. */
  sha256: z.string(),
  format: z.enum(['csv', 'parquet', 'xlsx']),
  encoding: z.literal('utf-8').optional(),
  csv: CsvForm.optional(),
  columns: z.array(z.object({ name: z.string(), type: z.string(), description: z.string().optional() })),
})
export type DeliveredFile = z.infer<typeof DeliveredFile>

/** A file before it is written. */
export type WantedFile = Omit<DeliveredFile, 'rows' | 'bytes' | 'sha256'>

/**
 * What was delivered: written last, it says that all its files are whole. Without a time of day, so that the same delivery
 * has the same bytes.
 */
export const Manifest = z.object({
  format: z.literal(1),
  pipeline: z.string(),
  delivery: z.string(),
  run: z.string(),
  window: WindowSchema,
  files: z.array(DeliveredFile),
})
export type Manifest = z.infer<typeof Manifest>

/** The note of a delivery that is being made: what it writes, and all files that it finds of the ones before. */
export const Unfinished = Manifest.extend({ replaces: z.array(z.string()) })
export type Unfinished = z.infer<typeof Unfinished>

/** What of a delivery is at its place. */
export type Delivered = {
  readonly manifest?: Manifest | undefined
  readonly unfinished?: Unfinished | undefined
}

/** What a command wants there. */
export type Wanted = Pick<Manifest, 'pipeline' | 'delivery' | 'run' | 'window'> & {
  readonly files: readonly WantedFile[]
}

/**
 * Whether there is work. `superseded`: the files have a later version of a table, or the same ones for a later window, and
 * are never taken back. Versions are compared within one id of a table only.
 */
export function compareDelivery(wanted: Wanted, { manifest }: Delivered): 'deliver' | 'delivered' | 'superseded' {
  if (manifest === undefined) return 'deliver'
  const versionsThere = ({ table, tableId }: WantedFile) =>
    manifest.files.flatMap((file) => (file.table === table && file.tableId === tableId ? [file.version] : []))
  if (wanted.files.some((file) => versionsThere(file).some((version) => version > file.version))) return 'superseded'
  const hasAll = wanted.files.every((file) => versionsThere(file).includes(file.version))
  if (hasAll && Date.parse(manifest.window.start) > Date.parse(wanted.window.start)) return 'superseded'
  const there = manifest.files.map(({ rows: _rows, bytes: _bytes, sha256: _sha256, ...file }) => file)
  const { files: _files, format: _format, ...about } = manifest
  const { files, ...own } = wanted
  return textOfManifest([own, files]) === textOfManifest([about, there]) ? 'delivered' : 'deliver'
}

/** The text of a manifest, with keys in one order. */
export function textOfManifest(manifest: unknown): string {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : value
  return `${JSON.stringify(manifest, sorted, 2)}\n`
}
