export { createTransformerHandlers, type TransformerDeps } from './handlers.ts'
