/** Why a record cannot be a row, in words without values. */
export class RecordProblem extends Error {}
