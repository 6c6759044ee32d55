import { isMap, isScalar, isSeq, type Document } from 'yaml'
import { CALL, shellArgument } from '../call.ts'
import type { Draft } from './draft.ts'
import { PIPELINE_FILE } from './folder-text.ts'
import type { Sample } from '@cinelake/source-kind'

type Looked = {
  /** `<source>/<dataset>` */
  readonly name: string
  readonly folder: string
  /** The options as given, so that the next command saves the columns that were displayed. */
  readonly options: readonly string[]
}

/** The command that saves the displayed draft. */
export function howToSave({ name, folder, options }: Looked): string {
  return `Save it:\n${line('try', name, folder, ...options, '--write')}`
}

/** How to proceed where a dataset needs a key and none was found. */
export function howToKey(contract: string): string {
  return `The dataset cannot run without one: write \`primaryKey: true\` at the columns of ${contract}\nthat tell its rows apart.\n`
}

/** How to proceed with a contract that was written. */
export function afterWriting(
  { folder, dataset }: { readonly folder: string; readonly dataset: string },
  { document, draft, sample }: { readonly document: Document; readonly draft: Draft; readonly sample: Sample },
): string {
  const window = sample.window === undefined ? [] : ['--window', sample.window]
  const next = `Now read the contract, and then:\n${line('validate', folder)}${line('run', folder, ...window)}`
  if (isServed(document, dataset)) return next
  const personal = draft.columns.flatMap((column) => (column.personal === undefined ? [] : [column.name]))
  const entry = personal.length === 0 ? dataset : `{ table: ${dataset}, exclude: [${personal.join(', ')}] }`
  return `${next}\nAnalysts see nothing of it until it stands in \`serve\` of ${PIPELINE_FILE}:\n  - ${entry}\n`
}

function line(...words: readonly string[]): string {
  return `  ${CALL} ${words.map(shellArgument).join(' ')}\n`
}

function isServed(document: Document, dataset: string): boolean {
  const serve = document.get('serve')
  if (!isSeq(serve)) return false
  return serve.items.some((item) =>
    isMap(item) ? item.get('table') === dataset : isScalar(item) && item.value === dataset,
  )
}
