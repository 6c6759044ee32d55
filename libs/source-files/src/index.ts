export { filesKind } from './files-tasks.ts'
export type { FilesTasksDeps } from './files-tasks.ts'
export type { FilesPreviewDeps } from './preview.ts'
