import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { busEntities } from '../libs/bus/src/index.ts'
import { createDuckDbEngine } from '../libs/engine/src/duckdb/duckdb.ts'
import { createSqlTyper, freezePipeline, readPipeline } from '../libs/pipeline/src/index.ts'
import { temporaryDirectory } from '../libs/testkit/src/index.ts'
import { clusterProblems, scalingProblems } from './k8s/cluster-rules.ts'
import { envOf, ofKind, workloadsOf, type Manifest } from './k8s/manifests.ts'
import { mountPipelines, sizeProblems } from './k8s/pipeline-text.ts'
import { podProblems } from './k8s/pod-rules.ts'
import { findRenderer, render, ROOT } from './k8s/render.ts'
import { schemaProblems } from './k8s/schemas.ts'
import { looksSecret, secretProblems } from './k8s/secret-rules.ts'
import { settingProblems, startProblems } from './k8s/settings.ts'

/** Of the one definition that all brokers are set up by. */
const QUEUES = busEntities().queues
const renderer = findRenderer(process.env['CINELAKE_TEST_KUSTOMIZE'])
const WHY_NOT = renderer === undefined ? ' (skipped: neither kubectl nor kustomize is on this machine)' : ''
const rendered = (folder: string) => (renderer === undefined ? [] : render(renderer, folder))

/** Everything that may be wrong with manifests, but for the schemas. */
function problemsOf(manifests: readonly Manifest[]): string[] {
  const rules = [podProblems, clusterProblems, secretProblems, settingProblems, startProblems, sizeProblems]
  return rules.flatMap((rule) => rule(manifests))
}

describe.skipIf(renderer === undefined).each(['k8s/overlays/aks', 'k8s/overlays/local'])(`%s${WHY_NOT}`, (overlay) => {
  let manifests: Manifest[]
  beforeAll(() => void (manifests = rendered(overlay)))

  test('keeps the schemas of Kubernetes and KEDA', async () => {
    expect(await schemaProblems(manifests)).toEqual([])
  })

  test('keeps the rules of this platform', () => {
    expect(problemsOf(manifests)).toEqual([])
  })

  test('runs every service', () => {
    expect(workloadsOf(manifests).map(({ name }) => name)).toEqual(
      expect.arrayContaining([...QUEUES, 'push-api', 'scheduler', 'migrate']),
    )
  })

  test('gives the services that read sources a value for every placeholder of the pipeline', () => {
    const text = readFileSync(join(ROOT, 'pipelines/ott/pipeline.yaml'), 'utf8')
    const names = [...text.matchAll(/\$\{([A-Z_]+)(?::-[^}]*)?\}/g)].map(([, name = '']) => name)
    const settings = ofKind(manifests, 'ConfigMap').find(({ metadata }) =>
      metadata.name.startsWith('pipeline-settings'),
    )

    expect(Object.keys(settings?.data ?? {})).toEqual(expect.arrayContaining(names))
  })

  test('gives the scheduler the text of the pipeline as it is in the repository', async () => {
    await using directory = await temporaryDirectory()
    mountPipelines(manifests, directory.path)

    expect(await digestOf(join(directory.path, 'pipelines/ott'))).toBe(await digestOf(join(ROOT, 'pipelines/ott')))
  })
})

async function digestOf(folder: string): Promise<string> {
  await using scratch = await temporaryDirectory()
  await using engine = await createDuckDbEngine({ memoryBytes: 2 ** 27, threads: 1, scratchDirectory: scratch.path })
  await using session = await engine.session()
  const { pipeline, problems } = await readPipeline(folder, { typer: createSqlTyper(session) })
  if (pipeline === undefined)
    throw new Error(`${folder} cannot be read: ${problems.map(({ message }) => message).join()}`)
  return freezePipeline(pipeline).digest
}

describe.skipIf(renderer === undefined)(`on AKS${WHY_NOT}`, () => {
  test('every queue of the platform scales its worker by its length, and nothing else scales by a queue', () => {
    expect(scalingProblems(rendered('k8s/overlays/aks'), QUEUES)).toEqual([])
  })

  test('the push API is open to others: by its name, over TLS, with a replica to spare', () => {
    const manifests = rendered('k8s/overlays/aks')
    const named = <Kind extends 'Ingress' | 'HorizontalPodAutoscaler'>(kind: Kind) =>
      ofKind(manifests, kind).find(({ metadata }) => metadata.name === 'push-api')
    const { data = {} } = parse(readFileSync(join(ROOT, 'k8s/overlays/aks/azure.yaml'), 'utf8')) as {
      data?: Readonly<Record<string, string>>
    }

    expect(named('Ingress')?.spec?.rules?.map(({ host }) => host)).toEqual([data['pushHost']])
    expect(named('HorizontalPodAutoscaler')?.spec?.minReplicas).toBeGreaterThanOrEqual(2)
  })

  test('what takes pushes takes no commands, and the other way round', () => {
    const workloads = new Map(workloadsOf(rendered('k8s/overlays/aks')).map((each) => [each.name, each]))
    const settings = (name: string) => {
      const workload = workloads.get(name)
      if (workload === undefined) throw new Error(`expected a workload ${name}, got none`)
      return [envOf(workload, 'CINELAKE_INGEST_API_CONCURRENCY'), envOf(workload, 'CINELAKE_PUSH_PORT')]
    }

    expect(settings('push-api')).toEqual(['0', '8095'])
    expect(settings('ingest-api')).toEqual(['4', undefined])
    expect(workloads.get('push-api')?.container.image).toBe(workloads.get('ingest-api')?.container.image)
  })

  test('scratch space is sized in one place, also on a disk of its own', async () => {
    await using directory = await temporaryDirectory()
    const overlay = anOverlay(directory.path, {
      resources: ['k8s/base'],
      components: ['k8s/components/scratch', 'k8s/components/scratch-on-disk'],
      config: {
        ...sizes('ingest-api', 2048),
        ...sizes('ingest-files', 4096),
        ...sizes('loader', 6144),
        ...sizes('transformer', 400_000),
      },
    })
    const manifests = rendered(overlay)

    const transformer = workloadsOf(manifests).find(({ name }) => name === 'transformer')
    const volume = transformer?.pod.volumes?.find(({ name }) => name === 'scratch')
    expect(volume?.emptyDir).toBeUndefined()
    expect(volume?.ephemeral?.volumeClaimTemplate?.spec.resources?.requests).toEqual({ storage: '400000Mi' })
    expect(workloadsOf(manifests).map((each) => envOf(each, 'CINELAKE_SCRATCH_MIB'))).toContain('200000')
    expect(podProblems(manifests).filter((problem) => /scratch/i.test(problem))).toEqual([])
    expect(await schemaProblems(manifests)).toEqual([])
  })
})

/** @param scratchMiB of the volume */
function sizes(service: string, scratchMiB: number): Record<string, string> {
  return { [`${service}ScratchMiB`]: String(scratchMiB), [`${service}CopiesMiB`]: String(scratchMiB / 2) }
}

/** An overlay outside of the repository, as an installation may keep its own. */
function anOverlay(
  root: string,
  parts: {
    readonly resources: string[]
    readonly components: string[]
    readonly config: Readonly<Record<string, string>>
  },
): string {
  const folder = join(root, 'overlay')
  mkdirSync(folder)
  const paths = (names: string[]) => names.map((name) => relative(folder, join(ROOT, name)))
  const annotations = { 'config.kubernetes.io/local-config': 'true' }
  const azure = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'azure', annotations }, data: parts.config }
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [...paths(parts.resources), 'azure.yaml'],
    components: paths(parts.components),
  }
  writeFileSync(join(folder, 'azure.yaml'), JSON.stringify(azure))
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  return folder
}

/** Manifests with one mistake in them, and what has to be said about it. */
const MISTAKES: readonly (readonly [what: string, edit: (manifest: string) => string, said: string])[] = [
  ['a field that does not exist', replace('"livenessProbe"', '"livenesProbe"'), '\'"livenesProbe"\' does not exist'],
  [
    'an amount of memory that is none',
    replace('"memory":"3584Mi"', '"memory":"3584Mb"'),
    'must match format "quantity"',
  ],
  [
    'a port that is a text',
    replace('"containerPort":9090', '"containerPort":"9090"'),
    "Type 'string' is not assignable",
  ],
  [
    'too little memory for the engine',
    replace('"memory":"3584Mi"', '"memory":"2Gi"'),
    'Deployment/transformer: expected a memory limit of 3420Mi or more',
  ],
  [
    'a heap that leaves no room for the engine',
    replace('--max-old-space-size=256', '--max-old-space-size=1024'),
    'bound the heap',
  ],
  ['more threads than cores', replace('"value":"2"}', '"value":"8"}'), 'CINELAKE_ENGINE_THREADS'],
  [
    'an image without a version',
    replace('/loader:0.1.0', '/loader'),
    'Deployment/loader: expected an image with a version',
  ],
  [
    'the newest image, whatever it is',
    replace('/loader:0.1.0', '/loader:latest'),
    'Deployment/loader: expected an image with a version',
  ],
  [
    'a probe on another path',
    replace('"path":"/healthz"', '"path":"/health"'),
    'expected livenessProbe to ask /healthz',
  ],
  ['root', replace('"runAsNonRoot":true', '"runAsNonRoot":false'), 'expected runAsNonRoot'],
  [
    'a root file system that can be written',
    replace('"readOnlyRootFilesystem":true', '"readOnlyRootFilesystem":false'),
    'expected a read-only root',
  ],
  ['capabilities', replace('"drop":["ALL"]', '"drop":[]'), 'expected all capabilities dropped'],
  [
    'too little time to stop',
    replace('"terminationGracePeriodSeconds":120', '"terminationGracePeriodSeconds":30'),
    'expected a grace period of more than',
  ],
  [
    'a scratch volume of another size',
    replace('"sizeLimit":"20480Mi"', '"sizeLimit":"1024Mi"'),
    'expected a scratch volume of 2 x CINELAKE_SCRATCH_MIB (10240) or more, got 1024 MiB',
  ],
  [
    'a setting that nobody reads',
    replace('CINELAKE_TRANSFORMER_CONCURRENCY', 'CINELAKE_TRANSFORMER_PARALLEL'),
    'got CINELAKE_TRANSFORMER_PARALLEL',
  ],
  ['an address that nobody reads', replace('"CINELAKE_LAKE":', '"CINELAKE_LAEK":'), 'got CINELAKE_LAEK'],
  [
    'a selector that means nothing',
    replace('"matchLabels":{"app.kubernetes.io/name":"loader"}', '"matchLabels":{"app.kubernetes.io/name":"laoder"}'),
    'Deployment/loader: expected its selector to mean its own pods',
  ],
  [
    'a ConfigMap that is not there',
    replace('"configMapRef":{"name":"cinelake-', '"configMapRef":{"name":"x-'),
    'expected ConfigMap/x-',
  ],
  [
    'a Secret that nobody makes',
    replace('"key":"redis-key","name":"scheduler"', '"key":"other","name":"scheduler"'),
    'expected a SecretProviderClass that makes Secret/scheduler with other',
  ],
  [
    'a queue without a ScaledObject',
    replace('"queueName":"loader"', '"queueName":"lodaer"'),
    'queue loader: expected a ScaledObject',
  ],
  [
    'a policy for all ports',
    replace('"ports":[{"port":10000', '"prots":[{"port":10000'),
    'NetworkPolicy/timers: expected ports',
  ],
  [
    'a way to the metadata service',
    replace('"except":["169.254.0.0/16"]', '"except":[]'),
    'metadata service of the node',
  ],
  [
    'no default',
    replace('"policyTypes":["Ingress","Egress"]', '"policyTypes":["Ingress"]'),
    'expected a NetworkPolicy that closes every pod',
  ],
  [
    'a namespace where anything may run',
    replace('"pod-security.kubernetes.io/enforce":"restricted"', '"pod-security.kubernetes.io/enforce":"baseline"'),
    'Namespace/cinelake',
  ],
  [
    'a password in an address',
    replace('mssql://cinelake-sql', 'mssql://sa:Passw0rd@cinelake-sql'),
    'expected no secret, got one in CINELAKE_WAREHOUSE',
  ],
  [
    'a password in a setting',
    replace('CINELAKE_TRANSFORMER_CONCURRENCY', 'CINELAKE_QUEUE_PASSWORD'),
    'expected no secret, got one in CINELAKE_QUEUE_PASSWORD',
  ],
  [
    'a port that others call without a Service',
    replace('"targetPort":"push"', '"targetPort":"health"'),
    'Deployment/push-api: expected a Service for its port push',
  ],
  [
    'a port that no caller may reach',
    replace('"ports":[{"port":"push","protocol":"TCP"}]', '"ports":[{"port":"health","protocol":"TCP"}]'),
    'Deployment/push-api: expected a NetworkPolicy that says who may call its port push',
  ],
  [
    'a port in the settings alone',
    replace('"containerPort":8095', '"containerPort":8096'),
    'Deployment/push-api: expected the port 8095 of CINELAKE_PUSH_PORT',
  ],
  [
    'a service that is called and listens to its own pod alone',
    replace('{"name":"CINELAKE_PUSH_HOST","value":"0.0.0.0"}', '{"name":"CINELAKE_PUSH_HOST","value":"127.0.0.1"}'),
    'Deployment/push-api: expected CINELAKE_PUSH_HOST to be 0.0.0.0',
  ],
  [
    'a service that is called and may be at none',
    replace('"minReplicas":2', '"minReplicas":0'),
    'Deployment/push-api: expected at least one replica',
  ],
  [
    'a scheduler at none',
    replace('"replicas":2', '"replicas":0'),
    'Deployment/scheduler: expected at least one replica',
  ],
  [
    'a service that is called and scaled by a queue',
    replace('"scaleTargetRef":{"name":"ingest-api"}', '"scaleTargetRef":{"name":"push-api"}'),
    'Deployment/push-api: expected no scaler by a queue',
  ],
  [
    'two that scale one Deployment',
    replace('"kind":"Deployment","name":"push-api"}', '"kind":"Deployment","name":"loader"}'),
    'HorizontalPodAutoscaler/push-api: expected to be the only one',
  ],
  [
    'a service that would have nothing to do',
    replace('{"name":"CINELAKE_PUSH_PORT","value":"8095"},', ''),
    'Deployment/push-api: CINELAKE_INGEST_API_CONCURRENCY: expected 1 or more',
  ],
  [
    'a name without a certificate',
    replace('"hosts":["push.example.com"]', '"hosts":["other.example.com"]'),
    'Ingress/push-api: expected TLS for the host push.example.com',
  ],
  [
    'a certificate that has no source',
    replace('"key":"tls.key"', '"key":"tls.pem"'),
    'Ingress/push-api: expected TLS for the host push.example.com',
  ],
  [
    'a certificate without a pod that holds it',
    replace('"volumeAttributes":{"secretProviderClass":"push-api"}', '"volumeAttributes":{}'),
    'SecretProviderClass/push-api: expected a service that holds its volume',
  ],
  [
    'a name that the service does not know',
    replace('"value":"push.example.com,', '"value":"other.example.com,'),
    'expected Deployment/push-api to know the name push.example.com',
  ],
  [
    'an ingress to nothing',
    replace('"service":{"name":"push-api"', '"service":{"name":"push-ap"'),
    'Ingress/push-api: expected a Service push-ap',
  ],
  ['a Secret', replace('"kind":"PodDisruptionBudget"', '"kind":"Secret"'), 'expected no Secret in manifests'],
]

function replace(from: string, to: string): (manifest: string) => string {
  return (text) => text.replaceAll(from, to)
}

describe.skipIf(renderer === undefined)(`mistakes in manifests are found${WHY_NOT}`, () => {
  let text: string
  beforeAll(() => void (text = JSON.stringify(rendered('k8s/overlays/aks'))))

  test.each(MISTAKES)('%s', async (_what, edit, said) => {
    const edited = edit(text)
    expect(edited).not.toBe(text)

    const manifests = JSON.parse(edited) as Manifest[]
    const problems = [...problemsOf(manifests), ...scalingProblems(manifests, QUEUES)]
    if (!problems.some((problem) => problem.includes(said))) problems.push(...(await schemaProblems(manifests)))
    expect(problems.join('\n')).toContain(said)
  })
})

test('no secret stands in the files that are deployed', () => {
  const files = globSync('{k8s,deploy}/**/*.{yaml,env,service,example,md}', { cwd: ROOT })
  expect(files.length).toBeGreaterThan(20)

  expect(files.filter((file) => looksSecret(readFileSync(join(ROOT, file), 'utf8')))).toEqual([])
})
