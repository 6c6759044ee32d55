export { PushDataset, PushSource, PushSourceText, PushTokens, pushConfig } from './push-source.ts'
