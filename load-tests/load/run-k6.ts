/** One run of k6: its environment, its reports, and what its exit status means. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "./target.ts";

const folder = join(import.meta.dir, "..");

/** Statistics of each trend that Prometheus is told; k6 writes times in seconds there. */
const PROMETHEUS_STATS = "count,avg,p(50),p(95),p(99),max";

/** k6's exit status when thresholds were missed. */
export const THRESHOLDS_MISSED = 99;

export interface Run {
  readonly script: string;
  /** As the script reads them: RATE, P95_MS, … */
  readonly settings: Readonly<Record<string, string>>;
  readonly target: Pick<Target, "gateway" | "replicas" | "token">;
  /** Base URL of a Prometheus that takes remote writes; undefined: nothing is sent anywhere. */
  readonly prometheus: string | undefined;
  /** Where the reports go. */
  readonly reports: string;
  /** For k6 itself. */
  readonly further: readonly string[];
}

export interface Ended {
  readonly status: number;
  /** Undefined when k6 did not get as far. */
  readonly report: LoadReport | undefined;
  readonly files: readonly string[];
}

/** The JSON report, as far as more than one script has it. */
export interface LoadReport {
  readonly script: string;
  readonly passed: boolean;
  readonly missed: readonly string[];
  readonly sustainedWritesPerSecond?: number;
  readonly metrics: Readonly<Record<string, { readonly values: Readonly<Record<string, number>> }>>;
}

/** Runs a script to its end, its output on ours. @param signal interrupts it: k6 then ends in order and still reports. */
export async function runK6(k6: string, run: Run, signal: AbortSignal): Promise<Ended> {
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
  const there = await Promise.all(
    Object.values(files).map(async (file) => ((await Bun.file(file).exists()) ? [file] : [])),
  );
  return { status, report, files: there.flat() };
}

const argumentsOf = ({ script, prometheus, further }: Run): string[] => [
  ...["run", "--no-usage-report", "--quiet"],
  ...(prometheus ? ["--out", "experimental-prometheus-rw", "--tag", `testid=${script}`] : []),
  ...further,
  join(folder, `${script}.ts`),
];

const environmentOf = (
  { settings, target, prometheus }: Run,
  files: { html: string; json: string },
): Record<string, string> => ({
  ...settings,
  GATEWAY: target.gateway,
  REPLICAS: target.replicas,
  ...(target.token === undefined ? {} : { TOKEN: target.token }),
  REPORT_JSON: files.json,
  // The dashboard has no server of its own here (-1): only the report is wanted. A short run needs a short period to have anything in it.
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
