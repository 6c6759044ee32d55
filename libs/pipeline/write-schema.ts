import { writeFile } from 'node:fs/promises'
import { pipelineJsonSchema } from './src/text/pipeline-schema.ts'

// Writes the JSON Schema that editors use; a test fails when it has to be written again.
await writeFile(new URL('pipeline.schema.json', import.meta.url), `${JSON.stringify(pipelineJsonSchema(), null, 2)}\n`)
