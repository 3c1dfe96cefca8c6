/**
 * The parts of a project's compose.yaml that follow from its declarations: a database and a service per replica, the
 * services that need to know all replicas, and Prometheus' targets. They stand between two comments, so that a person
 * can change everything else. Pure.
 */
import { maskSettings } from "../contracts/entity/mask-keys.ts";
import type { Project } from "../contracts/project.ts";
import { composeConfiguration } from "../observability/prometheus/scrape.ts";
import { portOf, replicaPort } from "../stack/layout.ts";
import { DEFAULT_PORT_BASE } from "../stack/options.ts";

/** What the parts follow from. */
export interface ComposeProject extends Pick<Project, "entities" | "replicaNames"> {
  /** Distance of each replica's port from the first port. */
  readonly offsets: Readonly<Record<string, number>>;
}

const begin = (part: string): string => `# Begin of what \`lockstep generate\` writes: ${part}`;
const end = (part: string): string => `# End of what \`lockstep generate\` writes: ${part}`;

const PARTS = ["services", "volumes"] as const;

/** A part with the comments around it, for a new file. */
export function composePart(part: (typeof PARTS)[number], project: ComposeProject): string {
  const [indent, text] = part === "services" ? ["  ", servicesText(project)] : ["", volumesText(project)];
  return `${indent}${begin(part)}\n${text}\n${indent}${end(part)}`;
}

/**
 * Writes the parts into a file.
 *
 * @returns undefined when the file does not have the comments around a part: then it is its owner's alone.
 */
export function withComposeParts(text: string, project: ComposeProject): string | undefined {
  let written = text;
  for (const part of PARTS) {
    const from = written.indexOf(begin(part));
    const to = written.indexOf(end(part));
    if (from < 0 || to < from) return undefined;
    const [head, rest] = [written.slice(0, from).replace(/ +$/, ""), written.slice(to + end(part).length)];
    written = `${head}${composePart(part, project)}${rest}`;
  }
  return written;
}

/** Name of the variable with the password of a replica's database. */
export const passwordVariable = (replica: string): string =>
  `${replica.toUpperCase().replaceAll("-", "_")}_DB_PASSWORD`;

/** Names of the variables that `.env` needs for a project: passwords of databases, and keys of masks. */
export const composeVariables = ({ entities, replicaNames }: Pick<Project, "entities" | "replicaNames">): string[] => [
  "GATEWAY_DB_PASSWORD",
  ...replicaNames.map(passwordVariable),
  ...maskSettings(entities),
];

const databaseUrl = (replica: string): string =>
  `postgres://lockstep:\${${passwordVariable(replica)}:?}@${replica}-db:5432/${replica}`;

function servicesText(project: ComposeProject): string {
  const { replicaNames } = project;
  const names = sorted(replicaNames);
  return [
    ...names.map(databaseService),
    streamService(project),
    ...names.map((name) => replicaService(name, project.offsets[name]!)),
    consoleService(project),
    prometheusService,
  ].join("\n\n");
}

/** In the order of their names: the order of declarations changes no file. */
const sorted = (names: readonly string[]): string[] => [...names].sort();

const databaseService = (name: string): string => `  ${name}-db:
    <<: *postgres
    environment: { POSTGRES_USER: lockstep, POSTGRES_DB: ${name}, POSTGRES_PASSWORD: "\${${passwordVariable(name)}:?}" }
    volumes: [${name}-db:/var/lib/postgresql]`;

const replicaService = (name: string, offset: number): string => `  ${name}:
    <<: *lockstep
    command: [replica, ${name}]
    environment:
      <<: *environment
      DATABASE_URL: ${databaseUrl(name)}
      REDIS_URL: redis://redis:6379
    depends_on: { ${name}-db: *healthy, redis: *healthy, redpanda: *healthy }
    ports: ["127.0.0.1:${replicaPort(DEFAULT_PORT_BASE, offset)}:8080"]`;

/** Keys of masks: the stream hashes with them, and the console verifies. */
const maskKeys = ({ entities }: ComposeProject): string =>
  sorted(maskSettings(entities))
    .map((setting) => `\n      ${setting}: \${${setting}:?}`)
    .join("");

const streamService = (project: ComposeProject): string => `  stream:
    <<: *lockstep
    command: [stream]
    environment:
      <<: *environment${maskKeys(project)}
    depends_on: { redpanda: *healthy }`;

function consoleService(project: ComposeProject): string {
  const names = sorted(project.replicaNames);
  const services = ["gateway", "relay", "stream", ...names].map((name) => `${name}=http://${name}:8080`).join(",");
  const databases = names.map((name) => `${name}-db: *healthy, `).join("");
  return `  console:
    <<: *lockstep
    command: [console]
    environment:
      <<: *environment
      LOCKSTEP_SOURCE_DATABASE_URL: *source
      LOCKSTEP_REPLICA_DATABASE_URLS: ${names.map((name) => `${name}=${databaseUrl(name)}`).join(",") || '""'}
      LOCKSTEP_SERVICE_URLS: ${services}
      LOCKSTEP_CONSOLE_HOSTS: console # the name that other containers use
      REDIS_URL: redis://redis:6379${maskKeys(project)}
    depends_on: { gateway-db: *healthy, ${databases}redpanda: *healthy }
    ports: ["127.0.0.1:${portOf(DEFAULT_PORT_BASE, "console")}:8080"]`;
}

const prometheusService = `  prometheus: # docker compose --profile observe up
    <<: *service
    profiles: [observe]
    image: prom/prometheus:v3.15.0
    command: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/prometheus]
    configs: [{ source: prometheus, target: /etc/prometheus/prometheus.yml }]
    ports: ["127.0.0.1:${portOf(DEFAULT_PORT_BASE, "prometheus")}:9090"]`;

/** JSON is YAML. The project has one broker, and no rules of its own. */
function prometheusConfiguration({ replicaNames }: ComposeProject): object {
  const { rule_files: _, scrape_configs, ...common } = composeConfiguration({ replicaNames: sorted(replicaNames) });
  return { ...common, scrape_configs: scrape_configs.map((job) => (job.job_name === "redpanda" ? redpandaJob : job)) };
}

const redpandaJob = {
  job_name: "redpanda",
  metrics_path: "/public_metrics",
  static_configs: [{ targets: ["redpanda:9644"] }],
};

/** `$` begins a variable of compose, and `$$` is the character. */
const prometheusText = (project: ComposeProject): string =>
  Bun.YAML.stringify(prometheusConfiguration(project), null, 2)
    .replaceAll("$", "$$$$")
    .split("\n")
    .map((line) => `      ${line}`.trimEnd())
    .join("\n");

const volumesText = (project: ComposeProject): string =>
  [
    "volumes:",
    "  redpanda:",
    "  gateway-db:",
    ...sorted(project.replicaNames).map((name) => `  ${name}-db:`),
    "",
    "configs:",
    "  # Properties of the cluster at its first start. An acknowledged record is on disk, and only services create topics.",
    "  redpanda:",
    "    content: |",
    '      write_caching_default: "false"',
    "      auto_create_topics_enabled: false",
    "      storage_min_free_bytes: 1073741824",
    "",
    "  prometheus: # what Prometheus reads: every service, and the broker",
    "    content: |",
    prometheusText(project),
  ].join("\n");
