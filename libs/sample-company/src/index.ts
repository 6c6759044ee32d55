export {
  SampleCompanyError,
  startSampleCompany,
  type SampleCompany,
  type SampleCompanyOptions,
} from './sample-company.ts'
export { createExclusive, type Exclusive } from './exclusive.ts'
export { startPostgresServer, type PostgresServer, type PostgresServerOptions } from './postgres-server.ts'
