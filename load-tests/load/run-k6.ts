/** Runs k6 once: its arguments, environment, reports and exit status. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "./target.ts";

const folder = join(import.meta.dir, "..");

/** Statistics of each trend that k6 writes to Prometheus, where times are in seconds. */
const PROMETHEUS_STATS = "count,avg,p(50),p(95),p(99),max";

/** k6's exit status when a threshold was missed. */
export const THRESHOLDS_MISSED = 99;

/** What to run. */
export interface K6Run {
  readonly script: string;
  /** {@link k6Workload}. */
  readonly workload: string;
  /** Environment variables of the script: RATE, P95_MS, … */
  readonly settings: Readonly<Record<string, string>>;
  readonly target: Pick<Target, "gateway" | "replicas" | "token">;
  /** Base URL of a Prometheus with a remote-write receiver; undefined: metrics are not sent. */
  readonly prometheus: string | undefined;
  /** Folder for the reports. */
  readonly reports: string;
  /** Further flags of k6. */
  readonly k6Flags: readonly string[];
}

/** Result of a run. */
export interface K6Result {
  readonly status: number;
  /** Undefined when k6 ended before it wrote the report. */
  readonly report: LoadReport | undefined;
  /** Paths of the reports that exist. */
  readonly files: readonly string[];
}

/** The members of the JSON report that are used here. */
export interface LoadReport {
  readonly script: string;
  readonly passed: boolean;
  readonly missed: readonly string[];
  readonly sustainedWritesPerSecond?: number;
  readonly metrics: Readonly<Record<string, { readonly values: Readonly<Record<string, number>> }>>;
}

/** Runs a script to its end. @param signal interrupts k6, which then ends cleanly and still writes its reports. */
export async function runK6(k6: string, run: K6Run, signal: AbortSignal): Promise<K6Result> {
  mkdirSync(run.reports, { recursive: true });
  const base = join(run.reports, `${run.script}-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}`);
  const files = { html: `${base}.html`, json: `${base}.json` };
  const child = Bun.spawn([k6, ...argumentsOf(run)], {
    cwd: folder,
    env: { ...process.env, ...environmentOf(run, files) },
    stdio: ["ignore", "inherit", "inherit"],
  });
  signal.addEventListener("abort", () => child.kill("SIGINT"), { once: true });
  const status = await child.exited;
  const json = Bun.file(files.json);
  const report = (await json.exists()) ? ((await json.json()) as LoadReport) : undefined;
  const existing = await Promise.all(
    Object.values(files).map(async (file) => ((await Bun.file(file).exists()) ? [file] : [])),
  );
  return { status, report, files: existing.flat() };
}

const argumentsOf = ({ script, prometheus, k6Flags }: K6Run): string[] => [
  ...["run", "--no-usage-report", "--quiet"],
  ...(prometheus ? ["--out", "experimental-prometheus-rw", "--tag", `testid=${script}`] : []),
  ...k6Flags,
  join(folder, `${script}.ts`),
];

const environmentOf = (
  { settings, workload, target, prometheus }: K6Run,
  files: { html: string; json: string },
): Record<string, string> => ({
  ...settings,
  WORKLOAD: workload,
  GATEWAY: target.gateway,
  REPLICAS: target.replicas,
  ...(target.token === undefined ? {} : { TOKEN: target.token }),
  REPORT_JSON: files.json,
  // -1: no dashboard server, only its HTML report. The report of a short run needs a short period.
  K6_WEB_DASHBOARD: "true",
  K6_WEB_DASHBOARD_PORT: "-1",
  K6_WEB_DASHBOARD_PERIOD: "200ms",
  K6_WEB_DASHBOARD_EXPORT: files.html,
  ...(prometheus
    ? {
        K6_PROMETHEUS_RW_SERVER_URL: prometheus.replace(/\/?$/, "/api/v1/write"),
        K6_PROMETHEUS_RW_TREND_STATS: PROMETHEUS_STATS,
      }
    : {}),
});
