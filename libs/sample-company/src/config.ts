import { z } from 'zod'

const date = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'expected yyyy-mm-dd')

/** The settings of the sample company's program, as read from the environment. */
export const SampleCompanyEnv = z
  .object({
    CINELAKE_SAMPLE_DIRECTORY: z.string().default('.cinelake/company'),
    /** 1: about 2,000 titles, 5,000 users and 200,000 viewings. */
    CINELAKE_SAMPLE_SCALE: z.coerce.number().positive().default(1),
    CINELAKE_SAMPLE_SEED: z.coerce.number().int().default(1),
    /** The address that its systems listen on; the default accepts no other machines. */
    CINELAKE_SAMPLE_HOST: z.string().default('127.0.0.1'),
    /** The REST API's port; the database has the one after it. */
    CINELAKE_SAMPLE_PORT: z.coerce.number().int().min(1).max(65_534).default(8090),
    /** First day of a new company; by default the last one whose window is due at that time. */
    CINELAKE_SAMPLE_FIRST_DAY: date.optional(),
    /** The day to stay at; by default, the company advances day by day. */
    CINELAKE_SAMPLE_DAY: date.optional(),
    CRM_TOKEN: z.string().min(1),
    BILLING_PASSWORD: z.string().min(1),
  })
  .transform((env) => ({
    directory: env.CINELAKE_SAMPLE_DIRECTORY,
    scale: env.CINELAKE_SAMPLE_SCALE,
    seed: env.CINELAKE_SAMPLE_SEED,
    host: env.CINELAKE_SAMPLE_HOST,
    port: env.CINELAKE_SAMPLE_PORT,
    firstDay: env.CINELAKE_SAMPLE_FIRST_DAY,
    day: env.CINELAKE_SAMPLE_DAY,
    secrets: { CRM_TOKEN: env.CRM_TOKEN, BILLING_PASSWORD: env.BILLING_PASSWORD },
  }))
