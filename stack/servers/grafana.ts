/** The machine's own Grafana with Lockstep's data sources and dashboards. Anonymous users may read, not change them. */
import { existsSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { dashboardProvider, datasources } from "../../observability/grafana/provisioning.ts";
import { isExecutable } from "../program.ts";
import { MissingComponentError } from "./machine-cache.ts";
import { probeHttp } from "./probes.ts";
import { launch, type Server, type StartOptions, waitUntilAnswering } from "./server.ts";

const DASHBOARDS = join(import.meta.dirname, "../../observability/grafana/dashboards");
const REMEDY =
  "put grafana on the PATH (https://grafana.com/grafana/download); or import observability/grafana/dashboards/*.json into your own Grafana";

/** Where to start a Grafana, and where its data comes from. */
export interface GrafanaOptions extends StartOptions {
  readonly dir: string;
  readonly port: number;
  readonly prometheusUrl: string;
  readonly jaegerUrl: string;
}

/**
 * Grafana's program, and the folder with its web page and defaults.
 *
 * @throws {MissingComponentError} when the machine has none.
 */
export function grafanaProgram(): { readonly program: string; readonly home: string } {
  if (isExecutable)
    throw new MissingComponentError(
      "the executable does not contain Grafana's dashboards",
      "run bun run up --observe with the npm package, or import observability/grafana/dashboards/*.json into your own Grafana",
    );
  const program = Bun.which("grafana", { PATH: process.env.PATH ?? "" });
  if (!program) throw new MissingComponentError("Grafana is not on this machine", REMEDY);
  // An unpacked archive has both in one folder. The packages of Debian, Red Hat and Homebrew have the page under share.
  const prefix = dirname(dirname(realpathSync(program)));
  const home = [prefix, join(prefix, "share/grafana"), "/usr/share/grafana"].find((folder) =>
    existsSync(join(folder, "conf/defaults.ini")),
  );
  if (!home) throw new MissingComponentError(`${program} has no conf/defaults.ini beside it`, REMEDY);
  return { program, home };
}

/**
 * Starts a Grafana on a port of 127.0.0.1.
 *
 * @throws {MissingComponentError} when the machine has none.
 * @throws {UserError} with the log's last lines when it does not start.
 */
export async function startGrafana(options: GrafanaOptions): Promise<Server> {
  const { program, home } = grafanaProgram();
  const { port, prometheusUrl, jaegerUrl } = options;
  const dir = resolve(options.dir);
  const logFile = join(dir, "grafana.log");
  const url = `http://127.0.0.1:${port}`;
  const provisioning = join(dir, "provisioning");
  write(join(provisioning, "datasources"), datasources({ prometheus: prometheusUrl, jaeger: jaegerUrl }));
  write(join(provisioning, "dashboards"), dashboardProvider(DASHBOARDS));
  const server = launch({
    name: "grafana",
    kind: "grafana",
    url,
    port,
    command: program,
    args: ["server", "--homepath", home],
    env: {
      ...process.env,
      GF_PATHS_DATA: join(dir, "data"),
      GF_PATHS_LOGS: join(dir, "logs"),
      GF_PATHS_PROVISIONING: provisioning,
      GF_SERVER_HTTP_ADDR: "127.0.0.1",
      GF_SERVER_HTTP_PORT: String(port),
      GF_AUTH_ANONYMOUS_ENABLED: "true",
      GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
      GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: join(DASHBOARDS, "in-step.json"),
      GF_ANALYTICS_REPORTING_ENABLED: "false",
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
    },
    logFile,
    cleanSignal: "SIGTERM",
    graceMs: 10_000,
  });
  return waitUntilAnswering(server, () => probeHttp(`${url}/api/health`), { timeoutMs: 60_000, logFile, options });
}

/** Writes the content as JSON, which is valid YAML. */
function write(folder: string, content: unknown): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "lockstep.yaml"), `${JSON.stringify(content, null, 2)}\n`);
}
