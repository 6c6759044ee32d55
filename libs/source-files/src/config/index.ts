export { filesConfig } from './files-config.ts'
export { FilesDataset, FilesSource, FilesSourceText } from './files-source.ts'
