export { isTelemetrySent, readEnv, readSettings, workerName, type Settings } from './environment.ts'
export {
  createHttpServer,
  ErrorAnswer,
  knownHostsEnv,
  listen,
  type HttpServer,
  type HttpServerOptions,
  type KnownHosts,
} from './http.ts'
export { createLog, LOG_LEVELS, type LogLevel, type LogOptions } from './log.ts'
export { createRedaction, type Redaction } from './redaction.ts'
export { runService, type ServiceContext } from './run-service.ts'
export { endProcess, listenForStop, type StopSignals } from './stop-signals.ts'
export { startSpanAs, taskMetrics, type SpanIds, type Telemetry } from './telemetry.ts'
