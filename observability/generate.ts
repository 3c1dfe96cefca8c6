/** `bun run observability`: writes the files that Prometheus and Grafana read, from their typed sources. */
import { join } from "node:path";
import { dashboardFiles } from "./grafana/dashboards.ts";
import { dashboardProvider, datasources } from "./grafana/provisioning.ts";
import { ruleFile } from "./prometheus/rules.ts";
import { composeConfiguration } from "./prometheus/scrape.ts";
import { production } from "./prometheus/thresholds.ts";

/** Where compose.yaml mounts the dashboards in Grafana's container. */
const DASHBOARDS = "/etc/grafana/dashboards";

const yaml = (source: string, content: unknown): string =>
  `# Made by \`bun run observability\` from observability/${source}: change it there.\n${Bun.YAML.stringify(content, null, 2)}\n`;

/** Every generated file, by its path below this folder. */
export const generatedFiles = (): Readonly<Record<string, string>> => ({
  "prometheus/prometheus.yml": yaml("prometheus/scrape.ts", composeConfiguration()),
  "prometheus/rules/lockstep.yml": yaml("prometheus/rules.ts", ruleFile(production)),
  "grafana/provisioning/datasources/lockstep.yaml": yaml(
    "grafana/provisioning.ts",
    datasources({ prometheus: "http://prometheus:9090", jaeger: "http://jaeger:16686" }),
  ),
  "grafana/provisioning/dashboards/lockstep.yaml": yaml("grafana/provisioning.ts", dashboardProvider(DASHBOARDS)),
  ...dashboardFiles(),
});

if (import.meta.main)
  for (const [path, content] of Object.entries(generatedFiles())) await Bun.write(join(import.meta.dir, path), content);
