import { Agent } from 'node:https'
import { WebSocket } from 'ws'
import type { WebSockets } from './client.ts'

/**
 * AMQP over WebSockets on port 443, through the environment's proxy, if any. Node's own agent makes the tunnel, and
 * honours NO_PROXY.
 * @param proxy the environment's proxy settings
 */
export function createWebSockets(proxy?: { readonly HTTPS_PROXY: string; readonly NO_PROXY?: string }): WebSockets {
  return {
    webSocket: WebSocket,
    ...(proxy === undefined ? {} : { webSocketConstructorOptions: { agent: new Agent({ proxyEnv: proxy }) } }),
  }
}
