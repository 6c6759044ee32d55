import type { IScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject'
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment'
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler'
import type { IJob } from 'kubernetes-models/batch/v1/Job'
import type { IIngress } from 'kubernetes-models/networking.k8s.io/v1/Ingress'
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap'
import type { IContainer } from 'kubernetes-models/v1/Container'
import type { INamespace } from 'kubernetes-models/v1/Namespace'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import type { IService } from 'kubernetes-models/v1/Service'
import type { IServiceAccount } from 'kubernetes-models/v1/ServiceAccount'
import type { ISecretProviderClass } from './secret-provider-class.ts'

/** Any object of a cluster, as much as all have in common. */
export type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels }
}
export type Labels = Readonly<Record<string, string>>

type Kinds = {
  Namespace: INamespace
  ServiceAccount: IServiceAccount
  ConfigMap: IConfigMap
  Service: IService
  Deployment: IDeployment
  Job: IJob
  PodDisruptionBudget: IPodDisruptionBudget
  NetworkPolicy: INetworkPolicy
  Ingress: IIngress
  HorizontalPodAutoscaler: IHorizontalPodAutoscaler
  ScaledObject: IScaledObject
  SecretProviderClass: ISecretProviderClass
}

/** The objects of one kind. What the schemas say of them is checked apart. */
export function ofKind<Kind extends keyof Kinds>(
  manifests: readonly Manifest[],
  kind: Kind,
): (Manifest & Kinds[Kind])[] {
  return manifests.filter((each): each is Manifest & Kinds[Kind] => each.kind === kind)
}

/** What runs: a Deployment or a Job, with its one container. */
export type Workload = {
  readonly title: string
  readonly name: string
  /** Runs Cinelake, and not something that it stands on. */
  readonly isOurs: boolean
  /** One of the services: it runs until it is told to stop. */
  readonly isService: boolean
  /** Undefined where the autoscaler says how many. */
  readonly replicas: number | undefined
  readonly labels: Labels
  readonly selector: Labels
  readonly pod: IPodSpec
  readonly container: IContainer
}

/** All workloads. Those of Cinelake itself call their container `service`. */
export function workloadsOf(manifests: readonly Manifest[]): Workload[] {
  const all = [...ofKind(manifests, 'Deployment'), ...ofKind(manifests, 'Job')]
  return all.flatMap((each) => {
    const pod = each.spec?.template.spec
    const [container] = pod?.containers ?? []
    if (pod === undefined || container === undefined) return []
    return [
      {
        title: titleOf(each),
        name: each.metadata.name,
        isOurs: container.name === 'service',
        isService: container.name === 'service' && each.kind === 'Deployment',
        replicas: each.kind === 'Deployment' ? (each as IDeployment).spec?.replicas : undefined,
        labels: each.spec?.template.metadata?.labels ?? {},
        selector: each.spec?.selector?.matchLabels ?? {},
        pod,
        container,
      },
    ]
  })
}

export function titleOf({ kind, metadata }: Manifest): string {
  return `${kind}/${metadata.name}`
}

/** The value of an environment variable that stands in the manifest itself. */
export function envOf({ container }: Workload, name: string): string | undefined {
  return container.env?.find((each) => each.name === name)?.value
}

/** Whether a selector means a pod with these labels. */
export function selects(selector: Labels | undefined, labels: Labels): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value)
}

/** Bytes, or cores, of a quantity such as `512Mi`, `250m`, `2`. Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity */
export function quantity(text: string | number | undefined): number | undefined {
  const [, number, unit = ''] = /^([\d.]+)(m|Ki|Mi|Gi|Ti)?$/.exec(String(text ?? '')) ?? []
  const factor = { '': 1, m: 1e-3, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 }[unit]
  return number === undefined || factor === undefined ? undefined : Number(number) * factor
}
