export { complaintOf, type SqlComplaint, type SqlPosition } from './complaint.ts'
export { identifier, identifiers, literal } from './quote.ts'
