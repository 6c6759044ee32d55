export { PushDataset, PushSource, PushTokens, pushConfig } from './push-source.ts'
