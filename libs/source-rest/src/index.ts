export { firstPages, type FirstPages } from './preview.ts'
export { createRestTasks, type RestTasksDeps } from './rest-tasks.ts'
