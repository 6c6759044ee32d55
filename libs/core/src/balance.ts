/** The row accounting of a task: what came in = what went out + what was rejected + what was a duplicate. */
export type Balance = {
  /** What is counted: rows, or files where the rows are not looked at yet. */
  readonly unit: 'rows' | 'files'
  readonly in: number
  readonly out: number
  readonly rejected: number
  readonly duplicates: number
}

export function balanceHolds(balance: Balance): boolean {
  return balance.in === balance.out + balance.rejected + balance.duplicates
}

/** `1,204 in = 1,180 out + 20 rejected + 4 duplicates`, with `≠` when it does not hold. */
export function formatBalance(balance: Balance): string {
  const count = (value: number) => value.toLocaleString('en-US')
  const sign = balanceHolds(balance) ? '=' : '≠'
  return `${count(balance.in)} in ${sign} ${count(balance.out)} out + ${count(balance.rejected)} rejected + ${count(balance.duplicates)} duplicates`
}
