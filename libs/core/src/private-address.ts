import { BlockList, isIP } from 'node:net'

/** Address ranges that are not on the public internet. Source: IANA's special-purpose address registries (RFC 6890 and its updates) */
const PRIVATE: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  // Includes `::`, `::1` and IPv4-compatible addresses; 6to4, Teredo and NAT64 can reach any IPv4 address.
  ['::', 96, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['100::', 64, 'ipv6'],
  ['2001::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 9, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
]

const blocked = new BlockList()
for (const [net, prefix, family] of PRIVATE) blocked.addSubnet(net, prefix, family)

/** Whether an IP address is loopback, private, or reserved. */
export function isPrivateAddress(address: string): boolean {
  const mapped = mappedIPv4(address)
  if (mapped !== undefined) return blocked.check(mapped, 'ipv4')
  return blocked.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** IPv4 within IPv6 (`::ffff:7f00:1`), as a URL writes it. */
function mappedIPv4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined
  const host = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host) ?? []
  if (high === undefined || low === undefined) return undefined
  const number = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.')
}
