export { balanceErrors, balanceHolds, formatBalance, type Balance } from './balance.ts'
export { fitsSql, isLossless, isNumber } from './column-types.ts'
export { systemClock, type Clock } from './clock.ts'
export { concurrently } from './concurrently.ts'
export { closestName, suggest } from './did-you-mean.ts'
export { lockDirectory, type DirectoryHolder } from './directory-lock.ts'
export {
  CancelledError,
  ConfigError,
  defineErrors,
  PipelineError,
  reasonOf,
  reportError,
  terminal,
  TerminalError,
  transient,
  TransientError,
  UNEXPECTED,
  type ErrorContext,
  type ErrorReport,
} from './errors.ts'
export { runIdOf, sha256, taskFileName } from './ids.ts'
export { compilePattern, exactly, repeat, sequence, type Matcher, type Pattern } from './linear-pattern.ts'
export { silentLog, type Log, type LogMethod } from './log.ts'
export { makeDirectory } from './make-directory.ts'
export { openByScheme, type Opener } from './open-by-scheme.ts'
export { PostgresClient } from './postgres-client.ts'
export {
  cString,
  errorResponse,
  int16,
  int32,
  MessageBuffer,
  queryMessage,
  statusAtEnd,
  wireMessage,
  type WireError,
  type WireMessage,
} from './postgres-wire.ts'
export { proxyFrom, type Proxy } from './proxy.ts'
export { createRedactor, REDACTED, type Redactor } from './redactor.ts'
export { Semaphore } from './semaphore.ts'
export {
  countWindows,
  isTimeZone,
  parseWindow,
  shiftWindow,
  windowAt,
  windowsBetween,
  WINDOW_LENGTHS,
  type Calendar,
  type Window,
  type WindowLength,
} from './window.ts'
