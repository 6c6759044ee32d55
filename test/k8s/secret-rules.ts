import { ofKind, titleOf, workloadsOf, type Manifest } from './manifests.ts'

/** Names of settings that hold secrets. Source: libs/core/src/redactor.ts and docs of the settings */
const SECRET_NAME = /_(CONNECTION_STRING|PASSWORD|SAS|SECRET|TOKEN|KEY)$/
/** How secrets look: a password in an address, the keys and signatures of Azure's connection strings, tokens, private keys. */
const SECRET_TEXT =
  /:\/\/[^\s/@:$]*:[^\s/@${}]+@|(AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd)\s*=\s*[^\s;$<]|[?&]sig=[A-Za-z0-9%]|\beyJ[\w-]{10,}\.|-----BEGIN [A-Z ]*PRIVATE KEY/

/** Places in manifests where a secret stands, one sentence each, never the secret. */
export function secretProblems(manifests: readonly Manifest[]): string[] {
  return [
    ...manifests
      .filter(({ kind }) => kind === 'Secret')
      .map((each) => `${titleOf(each)}: expected no Secret in manifests`),
    ...ofKind(manifests, 'ConfigMap').flatMap((each) =>
      Object.entries(each.data ?? {})
        .filter(([name, value]) => SECRET_NAME.test(name) || looksSecret(value))
        .map(([name]) => `${titleOf(each)}: expected no secret, got one in ${name}`),
    ),
    ...workloadsOf(manifests).flatMap(({ title, container }) =>
      (container.env ?? [])
        .filter(({ name, value }) => value !== undefined && (SECRET_NAME.test(name) || looksSecret(value)))
        .map(({ name }) => `${title}: expected no secret, got one in ${name}`),
    ),
  ]
}

/** Whether a text has something in it that looks like a secret. */
export function looksSecret(text: string): boolean {
  return SECRET_TEXT.test(text)
}
