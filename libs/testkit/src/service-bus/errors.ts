import type { AmqpError } from 'rhea'

// Conditions and wording of Service Bus. The client library recognises a missing entity by the words, the rest by condition.
// Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-troubleshoot

export const notFound = (path: string): AmqpError => ({
  condition: 'amqp:not-found',
  description: `The messaging entity '${path}' could not be found.`,
})

export const lockLost: AmqpError = {
  condition: 'com.microsoft:message-lock-lost',
  description:
    'The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.',
}

export const unauthorised: AmqpError = {
  condition: 'amqp:unauthorized-access',
  description: 'Unauthorized access. The token has an invalid signature, or does not grant this.',
}

export const serverBusy: AmqpError = {
  condition: 'com.microsoft:server-busy',
  description: 'The server was unable to process the request; please retry the operation.',
}

export const notAllowed = (what: string): AmqpError => ({ condition: 'amqp:not-allowed', description: what })
