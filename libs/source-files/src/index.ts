export { checkFolder } from './check-folder.ts'
export { createFilesTasks, type FilesTasksDeps } from './files-tasks.ts'
export { previewFiles, type FilesPreviewDeps } from './preview.ts'
