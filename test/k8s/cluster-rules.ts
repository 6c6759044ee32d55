import { envOf, ofKind, selects, titleOf, workloadsOf, type Manifest, type Workload } from './manifests.ts'

/** What is wrong with how objects refer to each other, one sentence each. */
export function clusterProblems(manifests: readonly Manifest[]): string[] {
  const rules = [
    namespaces,
    names,
    references,
    selectors,
    budgets,
    networks,
    ports,
    called,
    autoscalers,
    ingresses,
    held,
  ]
  return rules.flatMap((rule) => rule(manifests))
}

/** What is wrong with how workers scale. @param queues those that the platform has, without those of sites */
export function scalingProblems(manifests: readonly Manifest[], queues: readonly string[]): string[] {
  const scaled = ofKind(manifests, 'ScaledObject')
  const queueOf = (each: (typeof scaled)[number]) => each.spec.triggers[0]?.metadata['queueName'] ?? ''
  const covered = new Map(scaled.map((each) => [queueOf(each), each]))
  const workloads = new Map(workloadsOf(manifests).map((each) => [each.name, each]))
  return [
    ...queues.filter((queue) => !covered.has(queue)).map((queue) => `queue ${queue}: expected a ScaledObject`),
    ...scaled.flatMap((each) => {
      const queue = queueOf(each)
      const target = workloads.get(each.spec.scaleTargetRef.name)
      const problems = [
        ...(queues.includes(queue) ? [] : [`expected one of the queues ${queues.join(', ')}, got ${queue}`]),
        ...(target?.name === queue
          ? []
          : [`expected to scale what works on ${queue}, got ${target?.name ?? 'nothing'}`]),
        ...(target?.replicas === undefined ? [] : ['expected its Deployment not to say how many replicas']),
        ...(each.spec.triggers[0]?.type === 'azure-servicebus' ? [] : ['expected the length of a Service Bus queue']),
      ]
      return problems.map((problem) => `${titleOf(each)}: ${problem}`)
    }),
    ...(workloads.get('scheduler')?.replicas === 2 ? [] : ['Deployment/scheduler: expected two replicas, always']),
  ]
}

type Rule = (manifests: readonly Manifest[]) => string[]

const LEVEL = 'pod-security.kubernetes.io/enforce'

const namespaces: Rule = (manifests) => {
  const [namespace, ...others] = ofKind(manifests, 'Namespace')
  if (namespace === undefined || others.length > 0) return ['expected one Namespace']
  const strays = manifests.filter((each) => each !== namespace && each.metadata.namespace !== namespace.metadata.name)
  return [
    ...(namespace.metadata.labels?.[LEVEL] === 'restricted'
      ? []
      : [`${titleOf(namespace)}: expected ${LEVEL}: restricted`]),
    ...strays.map((each) => `${titleOf(each)}: expected namespace ${namespace.metadata.name}`),
  ]
}

const names: Rule = (manifests) =>
  workloadsOf(manifests).flatMap(({ title, name, labels }) => {
    const expected = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'cinelake' }
    return selects(expected, labels) ? [] : [`${title}: expected the labels ${JSON.stringify(expected)} on its pods`]
  })

/** The Secret of the overlay `local`, which somebody makes. */
const MADE_BY_HAND = 'development'

/** What pods name has to be there, or they never start. */
const references: Rule = (manifests) => {
  const has = (kind: string, name: string | undefined) =>
    name === undefined || manifests.some((each) => each.kind === kind && each.metadata.name === name)
  const made = ofKind(manifests, 'SecretProviderClass').flatMap(({ spec }) => spec?.secretObjects ?? [])
  return workloadsOf(manifests).flatMap(({ title, pod, container }) => {
    const asked: [string, string | undefined][] = [
      ['ServiceAccount', pod.serviceAccountName],
      ...(container.envFrom ?? []).map((each): [string, string | undefined] => ['ConfigMap', each.configMapRef?.name]),
      ...(pod.volumes ?? []).map((each): [string, string | undefined] => ['ConfigMap', each.configMap?.name]),
      ...(pod.volumes ?? []).map((each): [string, string | undefined] => [
        'SecretProviderClass',
        each.csi?.volumeAttributes?.['secretProviderClass'],
      ]),
    ]
    const secrets = (container.env ?? []).flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? [])
    return [
      ...asked.filter(([kind, name]) => !has(kind, name)).map(([kind, name]) => `${title}: expected ${kind}/${name}`),
      ...secrets
        .filter(({ name, key, optional }) => optional !== true && name !== MADE_BY_HAND && !isMade(made, name, key))
        .map(({ name, key }) => `${title}: expected a SecretProviderClass that makes Secret/${name} with ${key}`),
    ]
  })
}

type Made = readonly { secretName?: string; data?: { key?: string }[] }[]

function isMade(made: Made, name: string | undefined, key: string): boolean {
  return made.some((each) => each.secretName === name && each.data?.some((item) => item.key === key))
}

const selectors: Rule = (manifests) => {
  const workloads = workloadsOf(manifests)
  const pods = workloads.map(({ labels }) => labels)
  const one = (title: string, selector: Readonly<Record<string, string>> | undefined) => {
    const meant = workloads.filter(({ labels }) => selects(selector, labels))
    const isOne = selector !== undefined && meant.length === 1
    return isOne
      ? []
      : [`${title}: expected its selector to mean one workload, got ${meant.map(({ name }) => name).join(', ')}`]
  }
  return [
    ...ofKind(manifests, 'PodDisruptionBudget').flatMap((each) => one(titleOf(each), each.spec?.selector?.matchLabels)),
    ...ofKind(manifests, 'NetworkPolicy')
      .filter(({ spec }) => !pods.some((labels) => selects(spec?.podSelector?.matchLabels, labels)))
      .map((each) => `${titleOf(each)}: expected its selector to mean a pod, got none`),
    ...ofKind(manifests, 'Service')
      .filter(({ spec }) => pods.filter((labels) => selects(spec?.selector, labels)).length !== 1)
      .map((each) => `${titleOf(each)}: expected its selector to mean the pods of one workload`),
  ]
}

const budgets: Rule = (manifests) => {
  const protectedPods = ofKind(manifests, 'PodDisruptionBudget').map(({ spec }) => spec?.selector?.matchLabels)
  return workloadsOf(manifests)
    .filter(({ isService, labels }) => isService && !protectedPods.some((selector) => selects(selector, labels)))
    .map(({ title }) => `${title}: expected a PodDisruptionBudget`)
}

const networks: Rule = (manifests) => {
  const policies = ofKind(manifests, 'NetworkPolicy')
  const closed = policies.some(
    ({ spec }) =>
      Object.keys(spec?.podSelector ?? {}).length === 0 &&
      (['Ingress', 'Egress'] as const).every((type) => spec?.policyTypes?.includes(type)) &&
      spec?.ingress === undefined &&
      spec?.egress === undefined,
  )
  return [
    ...(closed ? [] : ['expected a NetworkPolicy that closes every pod for both directions']),
    ...policies.flatMap((each) => {
      const open = [...(each.spec?.egress ?? []), ...(each.spec?.ingress ?? [])]
      const wide = open.some(({ ports }) => ports === undefined || ports.length === 0)
      const anyone = each.spec?.ingress?.some(({ from }) => from === undefined || from.length === 0) ?? false
      const node = each.spec?.egress?.some(({ to }) => to?.some(({ ipBlock }) => reachesNode(ipBlock)) ?? true) ?? false
      return [
        ...(wide ? [`${titleOf(each)}: expected ports`] : []),
        ...(anyone ? [`${titleOf(each)}: expected who may call`] : []),
        ...(node
          ? [`${titleOf(each)}: expected the metadata service of the node (169.254.0.0/16) to be left out`]
          : []),
      ]
    }),
  ]
}

function reachesNode(block: { cidr: string; except?: string[] } | undefined): boolean {
  return block?.cidr === '0.0.0.0/0' && block.except?.includes('169.254.0.0/16') !== true
}

/** Named ports of Services and policies have to be those of the pods they mean. */
const ports: Rule = (manifests) => {
  const namesOf = (pods: readonly Workload[]) =>
    pods.flatMap(({ container }) => container.ports?.map(({ name }) => name))
  const workloads = workloadsOf(manifests)
  const asked = [
    ...ofKind(manifests, 'Service').map((each) => ({
      title: titleOf(each),
      selector: each.spec?.selector,
      names: each.spec?.ports?.map(({ targetPort }) => targetPort) ?? [],
    })),
    ...ofKind(manifests, 'NetworkPolicy').map((each) => ({
      title: titleOf(each),
      selector: each.spec?.podSelector?.matchLabels,
      names: each.spec?.ingress?.flatMap((rule) => rule.ports?.map(({ port }) => port) ?? []) ?? [],
    })),
  ]
  return asked.flatMap(({ title, selector, names }) => {
    const there = namesOf(workloads.filter(({ labels }) => selects(selector, labels)))
    const missing = names.filter((name) => typeof name === 'string' && !there.includes(name))
    return missing.map((name) => `${title}: expected a port called ${name} on the pods that it means`)
  })
}

/** Settings that open a port to others, and those that say on which address. */
const OPENS = [
  { port: 'CINELAKE_API_PORT', host: 'CINELAKE_API_HOST' },
  { port: 'CINELAKE_PUSH_PORT', host: 'CINELAKE_PUSH_HOST' },
] as const

/** The port of probes and metrics, which the node asks: every service has it. */
const HEALTH = 'health'

/** What others call is there before they call: a queue's length says nothing of that. */
const called: Rule = (manifests) => {
  const queued = new Set(ofKind(manifests, 'ScaledObject').map(({ spec }) => spec.scaleTargetRef.name))
  const services = ofKind(manifests, 'Service')
  const policies = ofKind(manifests, 'NetworkPolicy')
  return workloadsOf(manifests)
    .filter(({ isService }) => isService)
    .flatMap((workload) => {
      const { title, name, labels, container } = workload
      const opened = (container.ports ?? []).filter((port) => port.name !== HEALTH)
      const problems = OPENS.flatMap(({ port, host }) => {
        const number = envOf(workload, port)
        if (number === undefined) return []
        const address = envOf(workload, host)
        return [
          ...(opened.some(({ containerPort }) => String(containerPort) === number)
            ? []
            : [`expected the port ${number} of ${port} among its ports`]),
          ...(address === '0.0.0.0' ? [] : [`expected ${host} to be 0.0.0.0, got ${address ?? 'none'}`]),
        ]
      })
      for (const port of opened) {
        const isMeant = (asked: unknown) => asked === port.name || asked === port.containerPort
        const isServed = services.some(
          ({ spec }) =>
            selects(spec?.selector, labels) && spec?.ports?.some((each) => isMeant(each.targetPort ?? each.port)),
        )
        const isAllowed = policies.some(
          ({ spec }) =>
            selects(spec?.podSelector?.matchLabels, labels) &&
            spec?.ingress?.some((rule) => rule.ports?.some((each) => isMeant(each.port))),
        )
        const shown = port.name ?? port.containerPort
        if (!isServed) problems.push(`expected a Service for its port ${shown}`)
        if (!isAllowed) problems.push(`expected a NetworkPolicy that says who may call its port ${shown}`)
      }
      if (opened.length > 0 && queued.has(name)) problems.push('expected no scaler by a queue: others call it')
      if (opened.length > 0 && leastOf(workload, manifests) < 1)
        problems.push(`expected at least one replica: others call it`)
      return problems.map((problem) => `${title}: ${problem}`)
    })
}

/** How many replicas there are at least. */
function leastOf({ name, replicas }: Workload, manifests: readonly Manifest[]): number {
  const scaler = ofKind(manifests, 'HorizontalPodAutoscaler').find(({ spec }) => spec?.scaleTargetRef.name === name)
  return (scaler === undefined ? replicas : scaler.spec?.minReplicas) ?? 1
}

/** A scaler on load measures CPU alone, and is the only scaler of its Deployment. */
const autoscalers: Rule = (manifests) => {
  const queued = ofKind(manifests, 'ScaledObject').map(({ spec }) => spec.scaleTargetRef.name)
  return ofKind(manifests, 'HorizontalPodAutoscaler').flatMap((each) => {
    const { scaleTargetRef, minReplicas = 1, maxReplicas, metrics = [] } = each.spec ?? {}
    const target = workloadsOf(manifests).find(
      ({ title }) => title === `${scaleTargetRef?.kind}/${scaleTargetRef?.name}`,
    )
    const isOnLoad = metrics.length > 0 && metrics.every(({ resource }) => resource?.name === 'cpu')
    const problems = [
      ...(target === undefined ? ['expected a Deployment of ours, got none'] : []),
      ...(target?.replicas === undefined ? [] : ['expected its Deployment not to say how many replicas']),
      ...(queued.includes(target?.name ?? '') ? ['expected to be the only one that scales its Deployment'] : []),
      ...(isOnLoad ? [] : ['expected to measure cpu']),
      ...(maxReplicas > minReplicas ? [] : [`expected more than ${minReplicas} replicas at most, got ${maxReplicas}`]),
    ]
    return problems.map((problem) => `${titleOf(each)}: ${problem}`)
  })
}

/** What is open to the world is called by a name that it knows, over TLS. */
const ingresses: Rule = (manifests) =>
  ofKind(manifests, 'Ingress').flatMap((each) => {
    const { rules = [], tls = [], ingressClassName } = each.spec ?? {}
    const made = ofKind(manifests, 'SecretProviderClass').flatMap(({ spec }) => spec?.secretObjects ?? [])
    const isTls = (name: string | undefined) => ['tls.crt', 'tls.key'].every((key) => isMade(made, name, key))
    const secured = tls.filter(({ secretName }) => isTls(secretName)).flatMap(({ hosts = [] }) => hosts)
    const problems = [
      ...(ingressClassName === undefined ? ['expected an ingress class'] : []),
      ...(rules.length > 0 ? [] : ['expected a rule']),
      ...rules.flatMap(({ host, http }) => [
        ...(host !== undefined && secured.includes(host)
          ? []
          : [`expected TLS for the host ${host ?? 'that it lacks'}`]),
        ...(http?.paths ?? []).flatMap(({ backend }) => backendProblems(manifests, host ?? '', backend.service)),
      ]),
    ]
    return problems.map((problem) => `${titleOf(each)}: ${problem}`)
  })

type Backend = { name: string; port?: { name?: string; number?: number } }

function backendProblems(manifests: readonly Manifest[], host: string, backend: Backend | undefined): string[] {
  const service = ofKind(manifests, 'Service').find(({ metadata }) => metadata.name === backend?.name)
  const asked = backend?.port?.name ?? backend?.port?.number
  const hasPort = service?.spec?.ports?.some(({ name, port }) => asked === name || asked === port)
  if (service === undefined || asked === undefined || hasPort !== true)
    return [`expected a Service ${backend?.name ?? ''} with its port`]
  return workloadsOf(manifests)
    .filter(({ labels }) => selects(service.spec?.selector, labels))
    .filter((workload) => envOf(workload, 'CINELAKE_HTTP_HOSTS')?.split(',').includes(host) === false)
    .map(({ title }) => `expected ${title} to know the name ${host}, by CINELAKE_HTTP_HOSTS`)
}

/** The driver makes a Secret for as long as a pod has its volume; without one it is not there. */
const held: Rule = (manifests) => {
  const volumes = workloadsOf(manifests)
    .filter(({ isService }) => isService)
    .flatMap(({ pod }) => pod.volumes?.map(({ csi }) => csi?.volumeAttributes?.['secretProviderClass']) ?? [])
  return ofKind(manifests, 'SecretProviderClass')
    .filter(({ metadata }) => !volumes.includes(metadata.name))
    .map((each) => `${titleOf(each)}: expected a service that holds its volume`)
}
