// What changes the run history: the scheduler's alone (`tools/boundaries.ts`). Everybody else reads.
export { migrationErrors } from './errors.ts'
export { migrateOps } from './schema/migrations.ts'
export { noteOwner, type Owner, ownerErrors, refuseDeployed } from './schema/owner.ts'
export { MIGRATE, prepareSchema, type Migrate } from './schema/version.ts'
export { createAgents, type Agents } from './agents.ts'
export { createPipelineOrigins, PipelineOriginError, type PipelineOrigins } from './store/pipeline-origins.ts'
export { createRunStore, type RunStore } from './store/run-store.ts'
