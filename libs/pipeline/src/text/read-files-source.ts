import type { FilesSource } from '../checked/files-source.ts'
import { filePatternProblems } from './file-pattern.ts'
import type { FilesSourceText } from './files-source-schema.ts'
import { siteOf, type SourcePlace } from './source-place.ts'

export function readFilesSource(
  name: string,
  source: FilesSourceText,
  { text, path, problems }: SourcePlace,
): FilesSource {
  const datasets = Object.entries(source.datasets).map(([dataset, { files, whenMissing = 'fail' }]) => {
    const at = text.at([...path, 'datasets', dataset, 'files'])
    for (const { message, remedy } of filePatternProblems(files)) problems.error(at, message, remedy)
    return { name: dataset, files, whenMissing }
  })
  return { type: 'files', name, path: source.path, ...siteOf(source), datasets }
}
