export { balanceErrors, balanceHolds, formatBalance, type Balance } from './balance.ts'
export { fitsSql, isLossless, isNumber } from './column-types.ts'
export {
  type Calendar,
  type Clock,
  countWindows,
  isTimeZone,
  parseWindow,
  shiftWindow,
  systemClock,
  type Window,
  WINDOW_LENGTHS,
  windowAt,
  type WindowLength,
  windowsBetween,
} from './window.ts'
export { concurrently, Semaphore } from './semaphore.ts'
export { closestName, suggest } from './did-you-mean.ts'
export { lockDirectory, type DirectoryHolder } from './directory-lock.ts'
export { eachBlock } from './each-block.ts'
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
export { type Opener, openByScheme } from './open-by-scheme.ts'
export {
  cString,
  errorResponse,
  int16,
  int32,
  MessageBuffer,
  PostgresClient,
  queryMessage,
  statusAtEnd,
  type WireError,
  type WireMessage,
  wireMessage,
} from './postgres-client.ts'
export { isPrivateAddress } from './private-address.ts'
export { proxyFrom, type Proxy } from './proxy.ts'
export { createRedactor, REDACTED } from './redactor.ts'
