export { filesKind } from './files-kind.ts'
export type { FilesTasksDeps } from './files-tasks.ts'
export type { FilesPreviewDeps } from './preview.ts'
