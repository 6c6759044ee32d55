export { FilesDataset, FilesSource, filesConfig } from './files-source.ts'
