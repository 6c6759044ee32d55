/**
 * Secrets that the Secrets Store CSI driver mounts. No package carries its schema; this is what version v1 of the definition
 * says, without the fields of its status.
 * Source: kubernetes-sigs/secrets-store-csi-driver, config/crd/bases/secrets-store.csi.x-k8s.io_secretproviderclasses.yaml
 */
export interface ISecretProviderClass {
  apiVersion: 'secrets-store.csi.x-k8s.io/v1'
  kind: 'SecretProviderClass'
  metadata?: {
    name?: string
    namespace?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  spec?: {
    provider?: string
    parameters?: Record<string, string>
    secretObjects?: {
      secretName?: string
      type?: string
      labels?: Record<string, string>
      annotations?: Record<string, string>
      data?: { key?: string; objectName?: string }[]
    }[]
  }
}
