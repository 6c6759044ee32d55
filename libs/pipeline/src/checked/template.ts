import { z } from 'zod'

/** Texts may hold placeholders (`${NAME}`, `${secret:NAME}`), filled by the service that uses them. */
export const template = z.string()
