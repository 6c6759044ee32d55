export { FilesDataset, FilesSource, FilesSourceText, filesConfig } from './files-source.ts'
