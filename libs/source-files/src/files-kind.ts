import type { TaskContext, TaskOutcome } from '@cinelake/bus'
import type { Fill } from '@cinelake/secrets'
import type { SourceKind } from '@cinelake/source-kind'
import { checkFolder } from './check-folder.ts'
import { filesConfig, type FilesSource } from './config/index.ts'
import { filesQuestions } from './config/questions.ts'
import { createFilesTasks, type FilesTasksDeps } from './files-tasks.ts'
import { previewFiles, type FilesPreviewDeps } from './preview.ts'

/** Files that arrive in a folder. */
export const filesKind: Required<
  SourceKind<FilesSource, FilesTasksDeps, TaskContext, TaskOutcome, FilesPreviewDeps, { readonly fill: Fill }>
> = {
  config: filesConfig,
  questions: filesQuestions,
  createTasks: createFilesTasks,
  preview: previewFiles,
  checks: (source, { fill }) =>
    source.datasets.map((dataset) => ({
      name: `folder ${source.name}/${dataset.name}`,
      run: (signal) => checkFolder(source, dataset, { fill, signal }),
    })),
}
