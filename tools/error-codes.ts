import { type Argument, type Expression, type Function, parseSync, Visitor } from 'oxc-parser'

/** An error of the platform as its table or class defines it. */
export type ErrorCode = {
  readonly code: string
  /** File that defines it. */
  readonly path: string
  readonly retryable: boolean
  /** Its message with `…` where facts are put in. Undefined: the message is put together elsewhere. */
  readonly message: string | undefined
}

/** Source by path. */
export type Sources = ReadonlyMap<string, string>

/** The errors that source defines: rows of `defineErrors`, and classes with a `code`. In order of their codes. */
export function errorCodesIn(sources: Sources): ErrorCode[] {
  const parsed = [...sources].map(([path, text]) => ({ path, ...definitionsIn(path, text) }))
  const retryableOf = new Map([
    ['TransientError', true],
    ['TerminalError', false],
  ])
  const bases = new Map(parsed.flatMap(({ classes }) => classes.map(({ name, base }) => [name, base] as const)))
  const isRetryable = (base: string): boolean =>
    retryableOf.get(base) ?? isRetryable(bases.get(base) ?? 'TerminalError')
  return parsed
    .flatMap(({ path, rows, classes }) => [
      ...rows.map((row) => ({ ...row, path })),
      ...classes.flatMap(({ code, base, message }) =>
        code === undefined ? [] : [{ code, path, retryable: isRetryable(base), message }],
      ),
    ])
    .map((each) => ({ ...each, message: each.message === undefined ? undefined : withoutMarks(each.message) }))
    .toSorted((one, other) => (one.code < other.code ? -1 : 1))
}

type ErrorClass = Pick<ErrorCode, 'message'> & {
  readonly name: string
  readonly base: string
  readonly code: string | undefined
}

function definitionsIn(path: string, text: string) {
  const rows: Omit<ErrorCode, 'path'>[] = []
  const classes: ErrorClass[] = []
  new Visitor({
    Property({ key, value }) {
      if (key.type !== 'Identifier' || value.type !== 'CallExpression' || value.callee.type !== 'Identifier') return
      const { name: kind } = value.callee
      if (!/^[A-Z][A-Z0-9_]*$/.test(key.name) || (kind !== 'terminal' && kind !== 'transient')) return
      rows.push({ code: key.name, retryable: kind === 'transient', message: messageOfRow(value.arguments[0]) })
    },
    ClassDeclaration({ id, superClass, body }) {
      if (id === null || superClass?.type !== 'Identifier') return
      let code: string | undefined
      let message: string | undefined
      for (const member of body.body) {
        if (member.type === 'PropertyDefinition' && member.key.type === 'Identifier' && member.key.name === 'code')
          code = member.value?.type === 'Literal' ? String(member.value.value) : undefined
        if (member.type === 'MethodDefinition' && member.kind === 'constructor')
          message = messageOfConstructor(member.value)
      }
      classes.push({ name: id.name, base: superClass.name, code, message })
    },
  }).visit(parseSync(path, text).program)
  return { rows, classes }
}

/** The first element of the `[message, facts]` that the function of a row returns. */
function messageOfRow(describe: Argument | undefined): string | undefined {
  if (describe?.type !== 'ArrowFunctionExpression') return undefined
  const { body } = describe
  const last = body.type === 'BlockStatement' ? body.body.at(-1) : undefined
  const returned = last?.type === 'ReturnStatement' ? last.argument : body.type === 'BlockStatement' ? undefined : body
  if (returned?.type !== 'ArrayExpression') return undefined
  const [message] = returned.elements
  return message === null || message === undefined || message.type === 'SpreadElement' ? undefined : formOf(message)
}

function messageOfConstructor(constructor: Function): string | undefined {
  for (const statement of constructor.body?.body ?? []) {
    if (statement.type !== 'ExpressionStatement' || statement.expression.type !== 'CallExpression') continue
    const {
      callee,
      arguments: [message],
    } = statement.expression
    if (callee.type === 'Super' && message !== undefined && message.type !== 'SpreadElement') return formOf(message)
  }
  return undefined
}

/** An expression as text, with marks for what only a run knows. Undefined: all of it. */
function formOf(expression: Expression): string | undefined {
  switch (expression.type) {
    case 'Literal':
      return typeof expression.value === 'string' ? expression.value : undefined
    case 'TemplateLiteral':
      return expression.quasis
        .map(({ value }, index) => (value.cooked ?? value.raw) + markOf(expression.expressions[index]))
        .join('')
    case 'BinaryExpression': {
      const parts = [expression.left, expression.right].map((part) =>
        part.type === 'PrivateIdentifier' ? undefined : formOf(part),
      )
      return parts.every((part) => part === undefined)
        ? undefined
        : parts.map((part) => part ?? `${OPEN}…${CLOSE}`).join('')
    }
    default:
      return undefined
  }
}

/** Around the name of what is put in. */
const [OPEN, CLOSE] = ['\uE000', '\uE001']

function markOf(expression: Expression | undefined): string {
  if (expression === undefined) return ''
  const name = expression.type === 'MemberExpression' ? expression.property : expression
  return `${OPEN}${name.type === 'Identifier' ? name.name.toUpperCase() : '…'}${CLOSE}`
}

/** What is put in is a name in code, where it stands for an argument, and `…` elsewhere. */
function withoutMarks(form: string): string {
  const marks = new RegExp(`${OPEN}([^${CLOSE}]*)${CLOSE}`, 'g')
  return form
    .split('`')
    .map((part, index) => part.replaceAll(marks, index % 2 === 1 ? '$1' : '…'))
    .join('`')
}

/** What the runbook says of errors beyond their messages: `errors` names codes in backticks, or a finding. */
export type Advice = { readonly errors: string; readonly is: string; readonly do: string }

/** By the anchor of the runbook's section. */
export type AdviceBySection = Readonly<Record<string, readonly Advice[]>>

/** The codes that a piece of advice is about. */
export function codesOf({ errors }: Advice): string[] {
  return [...errors.matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)`/g)].map(([, code = '']) => code)
}

const BLOCK = /(<!-- errors:([\w-]+) -->\n)[\s\S]*?(<!-- end of errors -->)/g

/** The runbook with its tables of errors as the error tables and the advice make them. */
export function withErrorTables(page: string, codes: readonly ErrorCode[], advice: AdviceBySection): string {
  const known = new Map(codes.map((each) => [each.code, each]))
  const sectionOf = new Map(
    Object.entries(advice).flatMap(([section, rows]) => rows.flatMap(codesOf).map((code) => [code, section] as const)),
  )
  const tableOf = (section: string): string[] => {
    if (section !== 'all')
      return [
        '| code | tried again | what it is | do |',
        '|---|---|---|---|',
        ...(advice[section] ?? []).map((row) => {
          const again = new Set(codesOf(row).map((code) => triedAgain(known.get(code))))
          return `| ${row.errors} | ${[...again].join(' or ')} | ${row.is} | ${row.do} |`
        }),
      ]
    return [
      '| code | tried again | message |',
      '|---|---|---|',
      ...codes.map((each) => {
        const section = sectionOf.get(each.code)
        const code = section === undefined ? `\`${each.code}\`` : `[\`${each.code}\`](#${section})`
        return `| ${code} | ${triedAgain(each)} | ${inCell(each.message ?? '…')} |`
      }),
    ]
  }
  return page.replaceAll(
    BLOCK,
    (_, begin: string, section: string, end: string) => `${begin}${tableOf(section).join('\n')}\n${end}`,
  )
}

const triedAgain = (code: ErrorCode | undefined) => (code?.retryable === true ? 'yes' : 'no')

/** A message in a cell of a table. */
function inCell(message: string): string {
  return message.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*')
}
