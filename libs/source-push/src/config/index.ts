export { pushConfig } from './push-config.ts'
export { PushDataset, PushSource, PushSourceText, PushTokens } from './push-source.ts'
