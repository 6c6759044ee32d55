import { defineErrors, terminal, type ErrorContext } from './errors.ts'

/** The row accounting of a task: rows in = rows out + rejected + duplicates. */
export type Balance = {
  /** The unit that is counted: rows, or files where their rows have not been read yet. */
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

export const balanceErrors = defineErrors({
  /**
   * The balance does not hold: rows were lost, invented or counted twice, so nothing of the task is published.
   * @param of the task, dataset or model
   * @param remedy the action for the operator
   */
  BALANCE_BROKEN: terminal((of: ErrorContext, balance: Balance, remedy: string) => {
    const { unit, in: inCount, out, rejected, duplicates } = balance
    const facts = Object.entries(of).map(([key, value]) => `${key}=${value}`)
    return [
      `the ${unit} do not add up [${facts.join(' ')}]: expected in = out + rejected + duplicates, got ${formatBalance(balance)}; nothing was published: ${remedy}`,
      { ...of, unit, in: inCount, out, rejected, duplicates },
    ]
  }),
})
