import { endOfComment } from '../sql-comment.ts'

/** Why a text is not one query, and where: characters from 1. */
export type NotAQuery = { readonly problem: string; readonly position: number | undefined }

/**
 * Words that begin a statement that is not a query, or make a query write. All are reserved: as names they would have to
 * be quoted, so none can stand in a query by right.
 * Source: learn.microsoft.com/sql/t-sql/language-elements/reserved-keywords-transact-sql
 */
const FORBIDDEN: ReadonlySet<string> = new Set(
  `ALTER BACKUP BEGIN BULK CHECKPOINT CLOSE COMMIT CREATE DBCC DEALLOCATE DECLARE DELETE DENY DROP DUMP EXEC EXECUTE
  GOTO GRANT IF INSERT INTO KILL LOAD MERGE OPEN OPENDATASOURCE OPENQUERY OPENROWSET PRINT RAISERROR READTEXT RECONFIGURE
  RESTORE RETURN REVERT REVOKE ROLLBACK SAVE SET SETUSER SHUTDOWN TRUNCATE UPDATE UPDATETEXT USE WAITFOR WHILE WRITETEXT`.split(
    /\s+/,
  ),
)

/** Strings, quoted names and comments as wholes; words; the end of a statement; anything else, character by character. */
const TOKEN = /'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*"|--[^\n]*|\/\*|[\p{L}_@#$][\p{L}\p{N}_@#$]*|;|\S/gu

type Token = { readonly text: string; readonly position: number }

/**
 * Whether a text is one query and nothing else, judged by its words. T-SQL needs nothing between two statements, so the
 * words are looked for everywhere. The database enforces the same by the rights of who the query runs as; this gives the
 * better message, and keeps a query from leaving its transaction.
 * @returns undefined for a query
 */
export function findWrite(sql: string): NotAQuery | undefined {
  const tokens = tokensOf(sql)
  const [first] = tokens
  if (first === undefined || !/^(SELECT|WITH|\()$/i.test(first.text)) {
    return {
      problem: `expected a query (SELECT or WITH … SELECT), got ${first === undefined ? 'nothing' : 'something else'}`,
      position: first?.position,
    }
  }
  const forbidden = tokens.find(({ text }) => FORBIDDEN.has(text.toUpperCase()))
  if (forbidden !== undefined) {
    const word = forbidden.text.toUpperCase()
    return {
      problem: `only queries are allowed here (SELECT, WITH … SELECT), got ${word}`,
      position: forbidden.position,
    }
  }
  const end = tokens.findIndex(({ text }) => text === ';')
  const second = end < 0 ? undefined : tokens.slice(end).find(({ text }) => text !== ';')
  return second && { problem: 'expected one statement, got several', position: second.position }
}

/** Without comments; those in C style nest in T-SQL. */
function tokensOf(sql: string): Token[] {
  const tokens: Token[] = []
  const scan = new RegExp(TOKEN)
  for (let match = scan.exec(sql); match !== null; match = scan.exec(sql)) {
    const [text] = match
    if (text === '/*') scan.lastIndex = endOfComment(sql, match.index)
    else if (!text.startsWith('--')) tokens.push({ text, position: match.index + 1 })
  }
  return tokens
}
