import { temporaryDirectory } from '@cinelake/testkit'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, parseDocument } from 'yaml'
import { cinelake } from './testing.fixture.ts'

type Files = Readonly<Record<string, string | Uint8Array>>

/** A pipeline with these sources and files to read, for tests of `try`. */
export async function givenFolder(
  sources: string,
  files: Files = {},
  { rest = '', settings = {} }: { readonly rest?: string; readonly settings?: Record<string, string> } = {},
) {
  const directory = await temporaryDirectory()
  const folder = join(directory.path, 'pipeline')
  await mkdir(join(directory.path, 'drop'), { recursive: true })
  await mkdir(folder)
  const head = '# By hand.\npipeline: mine\nschedule: { every: day, timeZone: UTC, start: 2026-03-01 }\nsources:\n'
  await writeFile(
    join(folder, 'pipeline.yaml'),
    `${head}${sources.replaceAll('DROP', join(directory.path, 'drop'))}${rest}`,
  )
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory.path, 'drop', name), content)
  const state = join(directory.path, 'state')
  return {
    folder,
    state,
    try: async (name: string, ...options: string[]) =>
      await cinelake(['try', name, folder, '--state', state, ...options], settings),
    validate: async () => await cinelake(['validate', folder]),
    run: async () => await cinelake(['run', folder, '--window', '2026-03-01', '--state', state], settings),
    /** Removes all datasets of its files but these. */
    async keepOnly(names: readonly string[]) {
      const file = join(folder, 'pipeline.yaml')
      const document = parseDocument(await readFile(file, 'utf8'))
      const all = Object.keys((document.toJS() as { sources: { shop: { datasets: object } } }).sources.shop.datasets)
      for (const name of all) if (!names.includes(name)) document.deleteIn(['sources', 'shop', 'datasets', name])
      await writeFile(file, document.toString())
    },
    text: async (file: string) => await readFile(join(folder, file), 'utf8'),
    contract: async (name: string) =>
      parse(await readFile(join(folder, 'contracts', `${name}.yaml`), 'utf8')) as {
        schema: { properties: Record<string, unknown>[] }[]
      },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}
