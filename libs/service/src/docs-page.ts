type Operation = {
  readonly summary?: string
  readonly description?: string
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly description?: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: unknown }>>
}
export type OpenApiDocument = {
  readonly info: { readonly title: string; readonly description?: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/** The page loads nothing and runs no script. */
export const DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

/** An OpenAPI document as a page for people: no script, no external resources. */
export function docsPage(document: OpenApiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => section(method, path, operation)),
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(document.info.title)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; } pre { overflow: auto; padding: 1rem; background: #8881; }
table { border-collapse: collapse; } td, th { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; }
</style>
</head>
<body>
<h1>${escaped(document.info.title)}</h1>
<p>${escaped(document.info.description ?? '')} <a href="docs/openapi.json">openapi.json</a></p>
${operations.join('\n')}
</body>
</html>
`
}

function section(method: string, path: string, operation: Operation): string {
  const { summary = '', description = '', parameters = [], requestBody, responses } = operation
  const rows = parameters.map((one) => [
    `<code>${escaped(one.name)}</code>`,
    escaped(one.in),
    escaped(one.description ?? ''),
  ])
  const answers = Object.entries(responses).map(([status, answer]) => [
    `<code>${escaped(status)}</code>`,
    escaped(answer.description) + schemaOf(answer.content),
  ])
  const types = Object.keys(requestBody?.content ?? {}).map((type) => `<code>${escaped(type)}</code>`)
  return `<h2><code>${escaped(method.toUpperCase())} ${escaped(path)}</code></h2>
<p>${escaped(summary)}. ${escaped(description)}</p>
${table(['parameter', 'in', ''], rows)}
${types.length === 0 ? '' : `<p>Body: ${types.join(', ')}</p>`}
${table(['answer', ''], answers)}`
}

function schemaOf(content: unknown): string {
  return content === undefined
    ? ''
    : `<details><summary>schema</summary><pre>${escaped(JSON.stringify(content, null, 2))}</pre></details>`
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = titles.map((title) => `<th>${escaped(title)}</th>`).join('')
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n')
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
