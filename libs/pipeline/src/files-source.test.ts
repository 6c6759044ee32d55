import { expect, test } from 'vitest'
import { describeBroken, edit, P, type Broken } from './fixtures/broken.fixture.ts'
import { GOOD, textFolder, withText } from './fixtures/text-folder.fixture.ts'
import { formatProblem } from '@cinelake/config-text'
import { readPipeline } from './read-pipeline.ts'

const FILES = "        files: 'orders_{yyyy}{MM}{dd}*.csv'\n"
const adding = (text: string) => edit(P, FILES, `${FILES}        ${text}\n`)

const NAME_OF_A_FILE = [
  'expected a name without folders, in which `{name}` and `{stem}` (without its last ending) stand for the file',
  'such as `{name}.done`',
].join(', ')

const faults: readonly Broken[] = [
  {
    name: 'two answers to the same question',
    change: adding('{ whenMissing: fail, onProblem: { missing: skip } }'.slice(2, -2).replace(', ', '\n        ')),
    file: P,
    at: '        onProblem: { missing',
    message: '`onProblem.missing: skip` contradicts `whenMissing: fail`',
    remedy: 'they mean the same: leave one of them out',
  },
  ...['{name}', 'done/{name}', '{file}.done', '..', '*.done'].map((marker): Broken => ({
    name: `a marker '${marker}'`,
    change: adding(`marker: '${marker}'`),
    file: P,
    at: `        marker: '${marker}'`,
    message: `the marker '${marker}' is no name of another file`,
    remedy: NAME_OF_A_FILE,
  })),
  ...['../done', 'done/../..', 'C:done', '/done/../up'].map((archive): Broken => ({
    name: `an archive '${archive}'`,
    change: adding(`afterLanding: { archive: '${archive}' }`),
    file: P,
    at: `'${archive}'`,
    message: `the archive '${archive}' is no folder below the source's \`path\``,
    remedy: 'expected a folder below it',
  })),
  {
    name: 'late files that would land with every window',
    change: adding('late: include'),
    file: P,
    at: '        late: include',
    message: '`late: include` needs `once: true`: else a late file would land with every window',
    remedy: 'add `once: true`',
  },
]

describeBroken('a files source', faults, { withEngine: false })

test('a source with all that may be said of it is what the agent gets; one with nothing is as it was', async () => {
  const all = `${FILES}${[
    'windowFrom: arrival',
    'once: true',
    'stable: 30s',
    "marker: '{stem}.ok'",
    'onProblem: { missing: skip, forbidden: skip, empty: fail, unstable: skip }',
    'late: include',
    'lateFor: 3d',
    "afterLanding: { archive: '${ARCHIVE:-done}' }",
  ]
    .map((line) => `        ${line}\n`)
    .join('')}`
  const datasetOf = async (files: typeof GOOD) => {
    const { pipeline, problems } = await readPipeline(textFolder(withoutModels(files)))
    expect(problems.filter(({ severity }) => severity === 'error').map(formatProblem)).toEqual([])
    const source = pipeline?.sources.find(({ name }) => name === 'files')
    return source?.type === 'files' ? source.datasets[0] : undefined
  }

  expect(await datasetOf(withText(GOOD, P, FILES, all))).toEqual({
    name: 'orders',
    files: 'orders_{yyyy}{MM}{dd}*.csv',
    whenMissing: 'skip',
    windowFrom: 'arrival',
    once: true,
    restMs: 30_000,
    marker: '{stem}.ok',
    onProblem: { forbidden: 'skip', empty: 'fail', unstable: 'skip' },
    late: 'include',
    lateForMs: 3 * 86_400_000,
    afterLanding: { archive: '${ARCHIVE:-done}' },
  })
  expect(await datasetOf(GOOD)).toEqual({
    name: 'orders',
    files: 'orders_{yyyy}{MM}{dd}*.csv',
    whenMissing: 'fail',
  })
})

/** Without an engine models have no types, and a pipeline with models is none. */
function withoutModels(files: typeof GOOD): typeof GOOD {
  const kept = Object.entries(files).filter(([name]) => !name.startsWith('models/'))
  return Object.fromEntries(
    kept.map(([name, text]) => [name, name === P ? text.replace(/^serve:[\s\S]*$/m, '') : text]),
  )
}
