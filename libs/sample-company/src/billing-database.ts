import { PGlite, type Transaction } from '@electric-sql/pglite'
import { rm, stat, writeFile } from 'node:fs/promises'
import {
  type Row,
  customerRows,
  deviceRows,
  paymentRows,
  planChanges,
  planRows,
  subscriptionRows,
  viewingRows,
} from './billing-rows.ts'
import { dateOf } from './company-days.ts'
import type { CompanyKey } from './company-size.ts'
import type { Exclusive } from './postgres-server.ts'

/** The login of clients. The embedded database itself has one user and one database name, fixed when it is created. */
export const BILLING_USER = 'cinelake'
export const BILLING_DATABASE = 'billing'

/** Characters of COPY text sent at once. */
const CHUNK_LENGTH = 4 * 1024 * 1024

/** Keys are added after the first load: building an index over sorted data is twice as fast as growing it. */
const TABLES = `
  CREATE SCHEMA company;
  CREATE TABLE company.days (day int PRIMARY KEY);
  CREATE TABLE plans (plan_code text, name text NOT NULL, monthly_price numeric(6,2) NOT NULL, currency char(3) NOT NULL, stream_count int NOT NULL);
  CREATE TABLE customers (customer_id bigint, user_id text NOT NULL, billing_name text NOT NULL, billing_email text NOT NULL, country char(2) NOT NULL, created_at timestamptz NOT NULL);
  CREATE TABLE subscriptions (subscription_id text, customer_id bigint NOT NULL, plan_code text NOT NULL, status text NOT NULL, started_on date NOT NULL, ended_on date);
  CREATE TABLE devices (device_id text, customer_id bigint NOT NULL, kind text NOT NULL, registered_at timestamptz NOT NULL);
  CREATE TABLE payments (payment_id text, customer_id bigint NOT NULL, plan_code text NOT NULL, amount numeric(8,2) NOT NULL, currency char(3) NOT NULL, status text NOT NULL, paid_at timestamptz NOT NULL);
  CREATE TABLE watch_history (viewing_id bigint, user_id text NOT NULL, title_id text NOT NULL, device_id text, started_at timestamptz NOT NULL, minutes_watched numeric(6,1) NOT NULL);
`
const KEYS = `
  ALTER TABLE plans ADD PRIMARY KEY (plan_code);
  ALTER TABLE customers ADD PRIMARY KEY (customer_id);
  ALTER TABLE subscriptions ADD PRIMARY KEY (subscription_id);
  ALTER TABLE devices ADD PRIMARY KEY (device_id);
  ALTER TABLE payments ADD PRIMARY KEY (payment_id);
  ALTER TABLE watch_history ADD PRIMARY KEY (viewing_id);
  CREATE INDEX ON subscriptions (customer_id);
  CREATE INDEX ON watch_history (started_at);
`

interface BillingDatabase extends AsyncDisposable {
  readonly database: PGlite
  /** The latest day in it. */
  day(): Promise<number>
  /** Adds a day in one transaction. Idempotent. Clients wait meanwhile. */
  addDay(day: number, exclusive: Exclusive): Promise<void>
}

/**
 * Opens the company's billing database, PostgreSQL in this process over a folder. A file beside the folder marks that
 * the first day is complete; a folder without it was left by a killed process, and is created again.
 */
export async function openBillingDatabase(company: CompanyKey, folder: string): Promise<BillingDatabase> {
  const mark = `${folder}.complete`
  const isComplete = (await stat(mark).catch(() => undefined)) !== undefined
  if (!isComplete) await rm(folder, { recursive: true, force: true })
  const database = await PGlite.create({ dataDir: folder })
  if (!isComplete) {
    await fillFirst(database, company)
    await writeFile(mark, '')
  }
  return {
    database,
    async day() {
      const { rows } = await database.query<{ day: number }>('SELECT max(day) AS day FROM company.days')
      return rows[0]?.day ?? 0
    },
    async addDay(day, exclusive) {
      const leave = await exclusive.enter()
      try {
        await database.transaction((transaction) => writeDay(transaction, company, day))
      } finally {
        leave()
      }
    },
    [Symbol.asyncDispose]: () => database.close(),
  }
}

async function fillFirst(database: PGlite, company: CompanyKey): Promise<void> {
  await database.exec(TABLES)
  await copy(database, 'plans', planRows())
  await database.transaction((transaction) => writeDay(transaction, company, 0))
  await database.exec(KEYS)
  await database.exec('CHECKPOINT')
}

async function writeDay(transaction: Transaction, company: CompanyKey, day: number): Promise<void> {
  const { rows } = await transaction.query(
    'INSERT INTO company.days VALUES ($1) ON CONFLICT DO NOTHING RETURNING day',
    [day],
  )
  if (rows.length === 0) return
  await copy(transaction, 'customers', customerRows(company, day))
  await copy(transaction, 'subscriptions', subscriptionRows(company, day))
  await copy(transaction, 'devices', deviceRows(company, day))
  await copy(transaction, 'payments', paymentRows(company, day))
  await copy(transaction, 'watch_history', viewingRows(company, day))
  if (day > 0) await changePlans(transaction, company, day)
}

async function changePlans(transaction: Transaction, company: CompanyKey, day: number): Promise<void> {
  const started: Row[] = []
  for (const { customer, row } of planChanges(company, day)) {
    await transaction.query(
      `UPDATE subscriptions SET status = 'ended', ended_on = $1 WHERE customer_id = $2 AND ended_on IS NULL`,
      [dateOf(company, day), customer],
    )
    started.push(row)
  }
  await copy(transaction, 'subscriptions', started)
}

async function copy(target: Pick<Transaction, 'query'>, table: string, rows: Iterable<Row>): Promise<void> {
  const send = (text: string) => target.query(`COPY ${table} FROM '/dev/blob'`, [], { blob: new Blob([text]) })
  let text = ''
  for (const row of rows) {
    text += `${row.map(copyText).join('\t')}\n`
    if (text.length < CHUNK_LENGTH) continue
    await send(text)
    text = ''
  }
  if (text !== '') await send(text)
}

/** COPY's text format. Source: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS */
function copyText(value: string | number | null): string {
  if (value === null) return '\\N'
  return String(value).replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}
