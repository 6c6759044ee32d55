export { previewRest, type RestPreviewDeps } from './preview/preview-rest.ts'
export { createRestTasks, type RestTasksDeps } from './rest-tasks.ts'
