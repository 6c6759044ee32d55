import { Agent } from 'node:https'
import { WebSocket } from 'ws'
import type { WebSockets } from './client.ts'

/**
 * AMQP over WebSockets on port 443, through the proxy that the environment names, if any. Node's own agent makes the
 * tunnel, and keeps to NO_PROXY.
 * @param proxy in the words of the environment
 */
export function createWebSockets(proxy?: { readonly HTTPS_PROXY: string; readonly NO_PROXY?: string }): WebSockets {
  return {
    webSocket: WebSocket,
    ...(proxy === undefined ? {} : { webSocketConstructorOptions: { agent: new Agent({ proxyEnv: proxy }) } }),
  }
}
