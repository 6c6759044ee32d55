import { envOf, quantity, selects, workloadsOf, type Manifest, type Workload } from './manifests.ts'

const MIB = 2 ** 20

/** How much of its memory limit DuckDB may take in truth. Measured: 45 % more than it was given. */
const ENGINE_FACTOR = 1.45
/** MiB that the process takes besides the engine, when nearly every row is a duplicate or a reject. Source: apps/transformer/README.md */
const PROCESS_MIB = 450
/** MiB of the engines whose size no setting says. Source: apps/scheduler/src/config.ts */
const FIXED_ENGINE_MIB: Readonly<Record<string, number>> = { scheduler: 128 }

/**
 * Seconds that a service may take from SIGTERM to its end: handlers give up at once, and the chassis ends the process 5 s
 * after it has closed what it uses (LINGER_MS in libs/service/src/run-service.ts); the rest is the answers of remote parts.
 */
const DRAIN_SECONDS = 60

const PROBES = { startupProbe: '/readyz', readinessProbe: '/readyz', livenessProbe: '/healthz' } as const

/** What is wrong with pods, one sentence each. */
export function podProblems(manifests: readonly Manifest[]): string[] {
  return workloadsOf(manifests).flatMap((workload) => {
    const rules = [
      image,
      restricted,
      ...(workload.isOurs ? [account, memory, threads, scratch] : []),
      ...(workload.isService ? [heap, probes, grace, spread, ownPods] : []),
    ]
    return rules.flatMap((rule) => rule(workload)).map((problem) => `${workload.title}: ${problem}`)
  })
}

type Rule = (workload: Workload) => string[]

const image: Rule = ({ container }) => {
  const tag = /^[^@]+?(?::([^:/@]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(container.image ?? '')
  if (tag?.[2] !== undefined || (tag?.[1] !== undefined && tag[1] !== 'latest')) return []
  return [`expected an image with a version from \`images:\`, got ${container.image ?? 'none'}`]
}

const restricted: Rule = ({ pod, container }) => {
  const inPod = pod.securityContext
  const inContainer = container.securityContext
  const facts: readonly [string, boolean | undefined][] = [
    ['one container', pod.containers.length === 1 && pod.initContainers === undefined],
    ['runAsNonRoot', inPod?.runAsNonRoot],
    ['runAsUser other than root', (inPod?.runAsUser ?? 0) > 0],
    ['seccompProfile RuntimeDefault', inPod?.seccompProfile?.type === 'RuntimeDefault'],
    ['no privilege escalation', inContainer?.allowPrivilegeEscalation === false],
    ['a read-only root file system', inContainer?.readOnlyRootFilesystem],
    ['all capabilities dropped', inContainer?.capabilities?.drop?.includes('ALL')],
    ['no token of the cluster', pod.automountServiceAccountToken === false],
    ['nothing of the node', ![pod.hostNetwork, pod.hostPID, pod.hostIPC].includes(true)],
    ['no paths of the node', pod.volumes?.every(({ hostPath }) => hostPath === undefined) ?? true],
  ]
  return facts.filter(([, holds]) => holds !== true).map(([what]) => `expected ${what}`)
}

const account: Rule = ({ pod: { serviceAccountName = 'default' } }) =>
  serviceAccountName === 'default' ? ['expected an account of its own'] : []

const memory: Rule = (workload) => {
  const { requests, limits } = workload.container.resources ?? {}
  const missing = [
    ...['cpu', 'memory', 'ephemeral-storage'].filter((each) => quantity(requests?.[each]) === undefined),
    ...['cpu', 'memory'].filter((each) => quantity(limits?.[each]) === undefined).map((each) => `limits.${each}`),
  ]
  if (missing.length > 0) return [`expected resources to say ${missing.join(', ')}`]
  const neededMiB = engineMiB(workload) + PROCESS_MIB
  const limitMiB = (quantity(limits?.['memory']) ?? 0) / MIB
  if (limitMiB >= neededMiB) return []
  return [`expected a memory limit of ${neededMiB}Mi or more for its engine and itself, got ${limitMiB}Mi`]
}

/** MiB that the engine may really take. */
function engineMiB(workload: Workload): number {
  const given = Number(envOf(workload, 'CINELAKE_ENGINE_MEMORY_MIB') ?? FIXED_ENGINE_MIB[workload.name] ?? 0)
  return Math.ceil(given * ENGINE_FACTOR)
}

/** What is not JavaScript's heap: code, buffers, threads. */
const NATIVE_MIB = 128

const heap: Rule = (workload) => {
  const heapMiB = Number(/--max-old-space-size=(\d+)/.exec(envOf(workload, 'NODE_OPTIONS') ?? '')?.[1])
  const leftMiB = (quantity(workload.container.resources?.limits?.['memory']) ?? 0) / MIB - engineMiB(workload)
  if (heapMiB + NATIVE_MIB <= leftMiB) return []
  return [`expected NODE_OPTIONS to bound the heap to ${Math.floor(leftMiB - NATIVE_MIB)} MiB or less, got ${heapMiB}`]
}

const threads: Rule = (workload) => {
  const asked = envOf(workload, 'CINELAKE_ENGINE_THREADS')
  const limit = quantity(workload.container.resources?.limits?.['cpu']) ?? 0
  if (envOf(workload, 'CINELAKE_ENGINE_MEMORY_MIB') === undefined) return []
  return asked !== undefined && Number(asked) <= limit
    ? []
    : [`expected CINELAKE_ENGINE_THREADS to be at most the ${limit} cores of its limit, got ${asked ?? 'none'}`]
}

/**
 * How many times the room for local copies a scratch volume has to have: the rest is what the engine spills and what is on its
 * way to the lake, and nothing but the volume bounds those.
 */
const COPIES_FACTOR = 2

const scratch: Rule = (workload) => {
  const { pod, container } = workload
  const directory = envOf(workload, 'CINELAKE_SCRATCH')
  const mount = container.volumeMounts?.find(({ mountPath }) => mountPath === directory)
  const volume = pod.volumes?.find(({ name }) => name === mount?.name)
  const size =
    volume?.emptyDir?.sizeLimit ?? volume?.ephemeral?.volumeClaimTemplate?.spec.resources?.requests?.['storage']
  if (size === undefined) return [`expected a volume with a size at CINELAKE_SCRATCH, got none at ${directory}`]
  const setting = envOf(workload, 'CINELAKE_SCRATCH_MIB')
  const sizeMiB = (quantity(size) ?? 0) / MIB
  if (setting !== undefined && Number(setting) * COPIES_FACTOR > sizeMiB)
    return [
      `expected a scratch volume of ${COPIES_FACTOR} x CINELAKE_SCRATCH_MIB (${setting}) or more, got ${sizeMiB} MiB`,
    ]
  if (volume?.emptyDir === undefined) return []
  const requested = (quantity(container.resources?.requests?.['ephemeral-storage']) ?? 0) / MIB
  return requested >= sizeMiB ? [] : [`expected a request for the ${sizeMiB} MiB of its scratch, got ${requested} MiB`]
}

const probes: Rule = (workload) => {
  const { container } = workload
  return Object.entries(PROBES).flatMap(([name, path]) => {
    const get = container[name as keyof typeof PROBES]?.httpGet
    const port = container.ports?.find((each) => each.name === get?.port)?.containerPort ?? get?.port
    if (get?.path === path && String(port) === envOf(workload, 'CINELAKE_HEALTH_PORT')) return []
    return [
      `expected ${name} to ask ${path} on CINELAKE_HEALTH_PORT, got ${get?.path ?? 'nothing'} on ${port ?? 'none'}`,
    ]
  })
}

const grace: Rule = ({ pod, container }) => {
  const before = container.lifecycle?.preStop?.sleep?.seconds ?? 0
  const given = pod.terminationGracePeriodSeconds ?? 30
  if (given > DRAIN_SECONDS + before) return []
  return [`expected a grace period of more than ${DRAIN_SECONDS + before} s, got ${given} s`]
}

const spread: Rule = ({ pod, labels }) => {
  const keys = (pod.topologySpreadConstraints ?? [])
    .filter(({ labelSelector }) => selects(labelSelector?.matchLabels, labels))
    .map(({ topologyKey }) => topologyKey)
  return ['topology.kubernetes.io/zone', 'kubernetes.io/hostname']
    .filter((key) => !keys.includes(key))
    .map((key) => `expected replicas to be spread over ${key}`)
}

const ownPods: Rule = ({ selector, labels }) =>
  Object.keys(selector).length > 0 && selects(selector, labels) ? [] : ['expected its selector to mean its own pods']
