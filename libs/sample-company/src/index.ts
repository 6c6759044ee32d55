export { companyErrors, type SampleCompany, type SampleCompanyOptions, startSampleCompany } from './sample-company.ts'
export { createExclusive, type Exclusive } from './postgres-server.ts'
export { startPostgresServer, type PostgresServer, type PostgresServerOptions } from './postgres-server.ts'
