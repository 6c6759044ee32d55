import { defineErrors, terminal, type ErrorContext } from './errors.ts'

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

export const balanceErrors = defineErrors({
  /**
   * Rows were lost, made up or counted twice, so that nothing of the task is published.
   * @param of the task, dataset or model
   * @param remedy what a person does about it
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
