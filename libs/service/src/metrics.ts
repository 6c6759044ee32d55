import { monitorEventLoopDelay } from 'node:perf_hooks'

export type Labels = Readonly<Record<string, string>>

/** Metrics of this process, for Prometheus. Names end in their unit; counters in `_total`. */
export type Metrics = {
  /** Adds to a counter. */
  count(name: string, help: string, labels?: Labels, by?: number): void
  /** Adds one observation to a summary: `<name>_sum` and `<name>_count`. */
  observe(name: string, help: string, labels: Labels, value: number): void
  /**
   * Text in the Prometheus exposition format, version 0.0.4. Source:
   * prometheus.io/docs/instrumenting/exposition_formats
   */
  render(): string
}

type Family = {
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'summary'
  readonly values: Map<string, number>
}

/** Opens a registry that includes the metrics of the process itself. */
export function createMetrics(service: string): Metrics {
  const families = new Map<string, Family>()
  const loopDelay = monitorEventLoopDelay()
  loopDelay.enable()

  const family = (name: string, type: Family['type'], help: string): Family => {
    const known = families.get(name) ?? { help, type, values: new Map<string, number>() }
    families.set(name, known)
    return known
  }
  const add = ({ values }: Family, key: string, by: number) => void values.set(key, (values.get(key) ?? 0) + by)

  return {
    count: (name, help, labels = {}, by = 1) => add(family(name, 'counter', help), `${name}${text(labels)}`, by),
    observe(name, help, labels, value) {
      const summary = family(name, 'summary', help)
      add(summary, `${name}_sum${text(labels)}`, value)
      add(summary, `${name}_count${text(labels)}`, 1)
    },
    render: () => [...processFamilies(service, loopDelay.percentile(99)), ...families].map(renderFamily).join(''),
  }
}

function processFamilies(service: string, loopDelayNs: number): [string, Family][] {
  const { rss, heapUsed } = process.memoryUsage()
  const { user, system } = process.cpuUsage()
  return [
    gauge('cinelake_service_info', 'Always 1; says which service this is.', 1, { service }),
    gauge('process_resident_memory_bytes', 'Memory of the process.', rss),
    gauge('nodejs_heap_used_bytes', 'Memory that JavaScript objects take.', heapUsed),
    gauge('process_uptime_seconds', 'Time since the process started.', process.uptime()),
    gauge('nodejs_eventloop_delay_p99_seconds', 'How late timers come, 99th percentile.', loopDelayNs / 1e9),
    [
      'process_cpu_seconds_total',
      single('counter', 'process_cpu_seconds_total', 'CPU time used.', (user + system) / 1e6),
    ],
  ]
}

function gauge(name: string, help: string, value: number, labels: Labels = {}): [string, Family] {
  return [name, single('gauge', `${name}${text(labels)}`, help, value)]
}

function single(type: Family['type'], key: string, help: string, value: number): Family {
  return { help, type, values: new Map([[key, value]]) }
}

function renderFamily([name, { help, type, values }]: [string, Family]): string {
  const lines = [...values].map(([key, value]) => `${key} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function text(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
