import { describe, expect, test } from 'vitest'
import { checkPackages, checkSources, type Package } from './boundaries.ts'

function aPackage(name: string, layer: string, fields: Partial<Package> = {}): Package {
  const folder = `${layer === 'app' ? 'apps' : 'libs'}/${name}`
  return {
    name: `@cinelake/${name}`,
    folder,
    tags: ['npm:private', `layer:${layer}`],
    dependencies: [],
    devDependencies: [],
    ...fields,
  }
}

const known = [
  aPackage('core', 'core'),
  aPackage('sql', 'core'),
  aPackage('contracts', 'contracts'),
  aPackage('lake', 'port'),
  aPackage('bus', 'port'),
  aPackage('service', 'service'),
  aPackage('testkit', 'testkit'),
  aPackage('source-files', 'source'),
  aPackage('sample-company', 'sample'),
  aPackage('scheduler', 'app'),
]

describe('dependencies', () => {
  test.each([
    ['core', 'core', 'contracts', false],
    ['sql', 'core', 'core', false],
    ['pipeline', 'port', 'sql', true],
    ['contracts', 'contracts', 'core', true],
    ['contracts', 'contracts', 'bus', false],
    ['engine', 'port', 'contracts', true],
    ['engine', 'port', 'lake', false],
    ['delta', 'port', 'lake', true],
    ['delta', 'port', 'bus', false],
    ['service', 'service', 'bus', false],
    ['source-rest', 'source', 'lake', true],
    ['source-rest', 'source', 'source-files', false],
    ['source-rest', 'source', 'service', false],
    ['source-push', 'source', 'service', true],
    ['bus', 'port', 'source-files', false],
    ['loader', 'app', 'source-files', true],
    ['loader', 'app', 'lake', true],
    ['loader', 'app', 'scheduler', false],
    ['loader', 'app', 'sample-company', false],
    ['loader', 'app', 'testkit', false],
    ['cli', 'app', 'scheduler', true],
    ['cli', 'app', 'sample-company', true],
    ['cli', 'app', 'testkit', false],
  ])('%s (%s) may depend on %s: %s', (name, layer, target, allowed) => {
    const others = known.filter((each) => each.name !== `@cinelake/${name}`)

    const breaches = checkPackages([...others, aPackage(name, layer, { dependencies: [`@cinelake/${target}`, 'zod'] })])

    expect(breaches.length === 0).toBe(allowed)
  })

  test.each([
    ['bus', 'port', 'testkit', true],
    ['delta', 'port', 'bus', true],
    ['source-rest', 'source', 'testkit', true],
    ['source-rest', 'source', 'source-files', false],
    ['loader', 'app', 'testkit', true],
    ['loader', 'app', 'scheduler', false],
    ['core', 'core', 'testkit', false],
  ])('the tests of %s (%s) may use %s: %s', (name, layer, target, allowed) => {
    const others = known.filter((each) => each.name !== `@cinelake/${name}`)

    const breaches = checkPackages([...others, aPackage(name, layer, { devDependencies: [`@cinelake/${target}`] })])

    expect(breaches.length === 0).toBe(allowed)
  })

  test('a breach says where it is and what would be right', () => {
    expect(checkPackages([...known, aPackage('loader', 'app', { dependencies: ['@cinelake/scheduler'] })])).toEqual([
      {
        where: 'apps/loader/package.json',
        message:
          'dependencies has @cinelake/scheduler (app), but app may only import core, contracts, port, service, source',
      },
    ])
  })

  test.each([[[]], [['layer:port', 'layer:app']], [['layer:misc']]])('a package tagged %j has no layer', (tags) => {
    expect(checkPackages([aPackage('x', 'port', { tags })])).toEqual([
      { where: 'libs/x/package.json', message: expect.stringContaining('expected one tag layer:core|') },
    ])
  })
})

describe('imports', () => {
  const loader = aPackage('loader', 'app', { dependencies: ['@cinelake/lake'], devDependencies: ['@cinelake/testkit'] })
  const cli = aPackage('cli', 'app', { dependencies: ['@cinelake/lake'] })
  const check = (path: string, text: string) =>
    checkSources([...known, loader, cli], [{ path, text }]).map(({ where, message }) => `${where}: ${message}`)

  test.each([
    ['apps/loader/src/main.ts', "import { x } from '@cinelake/lake/directory'"],
    ['apps/loader/src/migrate.ts', "import { x } from '@cinelake/lake/directory'"],
    ['apps/loader/src/load.test.ts', "import { x } from '@cinelake/lake/directory'"],
    ['apps/loader/src/load.fixture.ts', "import { x } from '@cinelake/bus/memory'"],
    ['apps/cli/src/open.ts', "import { x } from '@cinelake/lake/directory'"],
    ['bench/main.ts', "import { x } from '@cinelake/lake/directory'"],
    [
      'apps/loader/src/load.ts',
      "import { x } from '@cinelake/lake'\nimport { y } from './plan.ts'\nimport fs from 'node:fs'",
    ],
    ['apps/loader/src/load.test.ts', "import { x } from '@cinelake/testkit'"],
  ])('%s: %s is allowed', (path, text) => {
    expect(check(path, text)).toEqual([])
  })

  test.each(['apps/scheduler/src/scheduler.ts', 'apps/loader/src/load.test.ts'])(
    '%s may change the run history',
    (path) => {
      expect(check(path, "import { x } from '@cinelake/run-store/write'")).toEqual([])
    },
  )

  test.each(['apps/cli/src/main.ts', 'apps/loader/src/main.ts'])('%s may only read the run history', (path) => {
    expect(check(path, "import { x } from '@cinelake/run-store/write'")).toEqual([
      expect.stringContaining('which is for @cinelake/scheduler alone; import @cinelake/run-store'),
    ])
  })

  test.each([
    [
      "import { x } from '@cinelake/lake/directory'",
      'apps/loader/src/load.ts:1: imports the adapter @cinelake/lake/directory; take the port from @cinelake/lake',
    ],
    ["\n\nimport type { X } from '@cinelake/lake/directory'", 'apps/loader/src/load.ts:3: imports the adapter'],
    ["const x = await import('@cinelake/lake/directory')", 'apps/loader/src/load.ts:1: imports the adapter'],
    ["export { x } from '@cinelake/lake/directory'", 'apps/loader/src/load.ts:1: imports the adapter'],
    ["import {\n  x,\n} from '@cinelake/lake/directory'", 'apps/loader/src/load.ts:3: imports the adapter'],
    [
      "import '@cinelake/bus'",
      'apps/loader/src/load.ts:1: imports @cinelake/bus, which is not among the dependencies of @cinelake/loader',
    ],
    [
      "import { x } from '@cinelake/testkit'",
      'apps/loader/src/load.ts:1: imports @cinelake/testkit, which is not among the dependencies of @cinelake/loader (only tests may use devDependencies)',
    ],
    [
      "import { x } from '../../../libs/lake/src/path.ts'",
      'apps/loader/src/load.ts:1: imports libs/lake/src/path.ts by path',
    ],
    [
      "import { x } from '../../scheduler/src/plan.ts'",
      'apps/loader/src/load.ts:1: imports apps/scheduler/src/plan.ts by path',
    ],
  ])('a use case with %j is told so', (text, message) => {
    expect(check('apps/loader/src/load.ts', text)).toEqual([expect.stringContaining(message)])
  })
})
