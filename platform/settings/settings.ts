/**
 * Every setting of every service: name, default, unit and range. Read once at the start; nothing else reads the environment.
 * `.env.example` is made from this list.
 */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { z } from "zod";
import { LockstepError } from "../../contracts/errors.ts";
import type { TelemetryOptions } from "../../observability/telemetry.ts";
import { fromFiles } from "./secret-files.ts";
import { flag, namedUrls, pem, type Setting, setting, url, wholeNumber } from "./setting.ts";

export const settings = {
  DATABASE_URL: setting(
    url(/^postgres(ql)?$/, "postgres://user:password@host:5432/database"),
    "PostgreSQL of this service: the gateway's and relay's own, or the replica's own",
    true,
  ),
  KAFKA_BROKERS: setting(
    z
      .string()
      .default("127.0.0.1:9092")
      .transform((list) => list.split(",").map((broker) => broker.trim()))
      .refine(
        (list) => list.every((b) => /^[^\s:]+:\d{1,5}$/.test(b)),
        "must be host:port, several separated by commas",
      ),
    "Brokers to start from, host:port, separated by commas",
  ),
  KAFKA_TLS: setting(
    flag(false),
    "Whether brokers are spoken to over TLS; their certificates are checked against the system's authorities, or KAFKA_TLS_CA",
  ),
  KAFKA_TLS_CA: setting(
    pem("CERTIFICATE"),
    "Certificates, as PEM, of the authorities that the brokers' certificates are checked against; KAFKA_TLS_CA_FILE names a file of them",
    true,
  ),
  KAFKA_TLS_CERT: setting(
    pem("CERTIFICATE"),
    "Certificate, as PEM, that this process shows to brokers (mutual TLS)",
    true,
  ),
  KAFKA_TLS_KEY: setting(pem("[A-Z ]*PRIVATE KEY"), "Its private key, as PEM", true),
  KAFKA_SASL_MECHANISM: setting(
    z
      .enum(["plain", "scram-sha-256", "scram-sha-512"], { error: "must be plain, scram-sha-256 or scram-sha-512" })
      .optional(),
    "How this process tells brokers who it is; plain sends the password as it is, so only over TLS",
  ),
  KAFKA_SASL_USERNAME: setting(z.string().min(1).optional(), "Its name there"),
  KAFKA_SASL_PASSWORD: setting(z.string().min(1).optional(), "Its password there", true),
  REDIS_URL: setting(
    url(/^rediss?$/, "redis://host:6379"),
    "Redis of a replica; without it every read comes from PostgreSQL",
    true,
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    url(/^https?$/, "http://127.0.0.1:4318"),
    "Where traces are sent over OTLP/HTTP; without it none are recorded, and trace context is passed on all the same",
  ),
  OTEL_EXPORTER_OTLP_HEADERS: setting(
    z
      .string()
      .regex(/^[^=,\s]+=[^,]*(,[^=,\s]+=[^,]*)*$/, "must be name=value, several separated by commas")
      .optional(),
    "Headers of each request to it, as name=value, percent-encoded, several separated by commas: what lets one in there",
    true,
  ),
  OTEL_METRICS_EXPORTER: setting(
    z.enum(["none", "otlp"]).default("none"),
    "otlp: metrics are sent to OTEL_EXPORTER_OTLP_ENDPOINT as well, beside being told at /metrics",
  ),
  OTEL_METRIC_EXPORT_INTERVAL: setting(
    wholeNumber(1_000, 3_600_000, 60_000),
    "Milliseconds from one sending of metrics to the next",
  ),
  LOCKSTEP_TRACE_RATIO: setting(
    z
      .string()
      .regex(/^(0|1|0?\.\d{1,9}|1\.0{1,9})$/, "must be a number from 0 to 1")
      .transform(Number)
      .default(1),
    "Part of the traces beginning here that is kept, 0 to 1; one that a client began is kept as the client says",
  ),
  LOCKSTEP_TRACE_SLOW_MS: setting(
    wholeNumber(1, 3_600_000, 1_000),
    "A span that took so long, or ended a write that did, in milliseconds, is kept whatever the ratio; so is one that failed",
  ),
  PORT: setting(wholeNumber(0, 65535, 8080), "Port of the service's HTTP server; 0 takes any free one"),
  LOCKSTEP_SHARED_PORT: setting(
    z
      .string()
      .regex(/^\d{1,5}$/, "must be a whole number from 1 to 65535")
      .transform(Number)
      .refine((n) => n >= 1 && n <= 65_535, "must be a whole number from 1 to 65535")
      .optional(),
    "Second port, which several instances on one machine have in common (SO_REUSEPORT, Linux): one address that answers while one of them restarts",
  ),
  LOCKSTEP_HOST: setting(
    z.string().min(1).default("127.0.0.1"),
    "Address that the HTTP server listens on; 0.0.0.0 opens it to the network",
  ),
  LOCKSTEP_INSTANCE: setting(
    z
      .string()
      .transform((name) => name.replace("{hostname}", () => hostname().toLowerCase()))
      .refine((name) => /^[a-z0-9][a-z0-9.-]{0,62}$/.test(name), "must be 1 to 63 of a-z, 0-9, dot, hyphen")
      .optional(),
    "Name of this instance, unlike any other's of the same service and the same after a restart: it then takes its partitions again at once; {hostname} in it is the host's name, which a container keeps when it is started again; without it the host's name tells instances apart in logs only",
  ),
  LOCKSTEP_LOG_LEVEL: setting(
    z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
    "Least severe log line to write",
  ),
  LOCKSTEP_PARTITIONS: setting(
    wholeNumber(1, 256, 4),
    "Partitions of each topic that is created; existing topics must have the same",
  ),
  LOCKSTEP_REPLICATION_FACTOR: setting(wholeNumber(1, 7, 1), "Copies of each partition of a topic that is created"),
  LOCKSTEP_MIN_IN_SYNC: setting(wholeNumber(1, 7, 1), "Copies that must have a record before it is acknowledged"),
  LOCKSTEP_STATE_DIR: setting(
    z.string().min(1).optional(),
    "Folder for the stream's memory of versions; without it the memory is read from the log at each start",
  ),
  LOCKSTEP_DATABASE_POOL: setting(wholeNumber(1, 100, 4), "Most connections of one process to its PostgreSQL"),
  LOCKSTEP_MAX_BODY_BYTES: setting(wholeNumber(1024, 10_485_760, 262_144), "Largest request body, in bytes"),
  LOCKSTEP_IDEMPOTENCY_HOURS: setting(
    wholeNumber(1, 8_760, 24),
    "Hours for which the gateway remembers an Idempotency-Key and the answer that its request got",
  ),
  LOCKSTEP_STATEMENT_TIMEOUT_MS: setting(
    wholeNumber(100, 600_000, 10_000),
    "Longest that one database statement may take, in milliseconds",
  ),
  LOCKSTEP_SESSION_TIMEOUT_MS: setting(
    wholeNumber(6_000, 1_800_000, 10_000),
    "Silence of a stream or replica process after which its partitions go to others, in milliseconds",
  ),
  LOCKSTEP_READ_WAIT_MS: setting(
    wholeNumber(0, 600_000, 1_000),
    "Longest that a read with a Sync-Token waits for its replica when it does not say itself (Prefer: wait=N), in milliseconds",
  ),
  LOCKSTEP_MAX_WAIT_MS: setting(
    wholeNumber(0, 600_000, 10_000),
    "Longest that a read or write may wait by its own wish (Prefer: wait=N), in milliseconds",
  ),
  LOCKSTEP_RELAY_BATCH: setting(
    wholeNumber(1, 20_000, 1000),
    "Most changes that the relay takes from the outbox at a time",
  ),
  LOCKSTEP_RELAY_POLL_MS: setting(
    wholeNumber(5, 60_000, 250),
    "Longest sleep of the relay when no change wakes it, in milliseconds",
  ),
  LOCKSTEP_CANARY_EVERY_S: setting(
    wholeNumber(0, 3_600, 5),
    "Seconds from one canary of the relay to the next, by which an idle system tells its latency; 0 writes none",
  ),
  LOCKSTEP_SOURCE_DATABASE_URL: setting(
    url(/^postgres(ql)?$/, "postgres://user:password@host:5432/database"),
    "For operations on what `bun run up` did not start: the source's PostgreSQL",
    true,
  ),
  LOCKSTEP_REPLICA_DATABASE_URLS: setting(
    namedUrls(/^postgres(ql)?:\/\//, "replica=postgres://…"),
    "For operations, too: each replica's PostgreSQL, as catalog=postgres://…,storefront=postgres://…",
    true,
  ),
  LOCKSTEP_VERIFY_EVERY_S: setting(
    wholeNumber(0, 2_592_000, 900),
    "Seconds from one verification to the next that the console makes by itself; 0 makes none",
  ),
  LOCKSTEP_VERIFY_SHARE_PERCENT: setting(
    wholeNumber(1, 100, 5),
    "Part of the time that such a verification works, in percent; it rests between",
  ),
  LOCKSTEP_SERVICE_URLS: setting(
    namedUrls(/^https?:\/\//, "service=http://…"),
    "For operations, too: the services whose health is told, as gateway=http://…,stream=http://…; several may share a name",
  ),
  LOCKSTEP_AUTH: setting(
    z.enum(["jwt", "off"], { error: "must be jwt or off" }).optional(),
    "jwt: gateway and console let nobody in without a bearer token of LOCKSTEP_AUTH_ISSUER; off: everybody who can reach them; not set: off, and they refuse to listen on more than this machine",
  ),
  LOCKSTEP_AUTH_ISSUER: setting(z.string().min(1).optional(), "Who signs the tokens: what their claim iss must be"),
  LOCKSTEP_AUTH_AUDIENCE: setting(
    z.string().min(1).default("lockstep"),
    "Whom the tokens are for: what must be in their claim aud",
  ),
  LOCKSTEP_AUTH_JWKS: setting(
    url(/^(https?|file)$/, "https://issuer/jwks.json or file:///folder/jwks.json"),
    "Where the issuer's public keys are, as a JWK set (RFC 7517)",
  ),
  LOCKSTEP_TOKEN: setting(
    z.string().min(1).optional(),
    "Token that bun run up, bench and load send to a gateway that asks for one",
    true,
  ),
  LOCKSTEP_CONSOLE_OPERATIONS: setting(
    flag(false),
    "Whether the console's page may change things: write entities, pause, replay, repair, rebuild, break parts on purpose; only for a console that nobody else can reach",
  ),
  LOCKSTEP_CONSOLE_HOSTS: setting(
    z
      .string()
      .optional()
      .transform((list) => list?.split(",").map((host) => host.trim().toLowerCase()) ?? [])
      .refine(
        (list) => list.every((host) => /^[a-z0-9.-]{1,253}$/.test(host)),
        "must be host names, separated by commas",
      ),
    "Names under which the console is reached beside localhost and addresses, separated by commas; it answers under no other (DNS rebinding)",
  ),
  LOCKSTEP_TRACE_UI_URL: setting(
    z
      .string()
      .regex(/^https?:\/\/[^\s]*\{traceId\}/, "must be a URL like http://127.0.0.1:16686/trace/{traceId}")
      .optional(),
    "Where people see one trace, with {traceId} in the place of its id: the console links to it",
  ),
  LOCKSTEP_STACK_DATA: setting(
    z.string().min(1).optional(),
    "Data folder of the stack that the console belongs to, set by bun run up: the console can then end processes, to show how they come back",
  ),
  LOCKSTEP_DRAIN_MS: setting(
    wholeNumber(0, 60_000, 1_000),
    "Longest that a stopping service still takes requests, telling each client to connect anew and load balancers that it goes, in milliseconds; less when nobody asks",
  ),
  LOCKSTEP_SHUTDOWN_MS: setting(
    wholeNumber(0, 600_000, 10_000),
    "Longest that a stopping service may finish its work, in milliseconds",
  ),
} as const;

export type Settings = { readonly [K in keyof typeof settings]: z.output<(typeof settings)[K]["schema"]> };

/** How many copies of each partition a topic that is created has, as the log seam takes it. */
export const copiesOf = (values: Pick<Settings, "LOCKSTEP_REPLICATION_FACTOR" | "LOCKSTEP_MIN_IN_SYNC">) => ({
  replicationFactor: values.LOCKSTEP_REPLICATION_FACTOR,
  minInSyncReplicas: values.LOCKSTEP_MIN_IN_SYNC,
});

/** One line per mistake: name, value (unless secret), what is allowed. */
export class SettingsError extends LockstepError {
  constructor(readonly mistakes: readonly string[]) {
    super("SETTINGS_INVALID", `wrong settings:\n${mistakes.map((m) => `  ${m}`).join("\n")}`);
  }
}

const secretNames = Object.entries<Setting>(settings).flatMap(([name, { secret }]) => (secret ? [name] : []));

/**
 * Reads all settings. An empty value counts as not set. A secret one may come from files: {@link fromFiles}.
 *
 * @throws {SettingsError} names every wrong value, and every LOCKSTEP_ name that is not a setting.
 */
export function readSettings(from: Readonly<Record<string, string | undefined>>): Settings {
  const { env, mistakes } = fromFiles(from, secretNames, (path) => readFileSync(path, "utf8"));
  const values: Record<string, unknown> = {};
  for (const [name, { schema, secret }] of Object.entries<Setting>(settings)) {
    const given = env[name] === "" ? undefined : env[name];
    const result = schema.safeParse(given);
    if (result.success) values[name] = result.data;
    else
      for (const issue of result.error.issues)
        mistakes.push(`${name}=${secret ? "(hidden)" : (given ?? "")}: ${issue.message}`);
  }
  for (const name of Object.keys(env))
    if (name.startsWith("LOCKSTEP_") && !(name in settings)) mistakes.push(`${name}: there is no such setting`);
  if (values.LOCKSTEP_AUTH === "jwt")
    for (const name of ["LOCKSTEP_AUTH_ISSUER", "LOCKSTEP_AUTH_JWKS"] as const)
      if (!env[name]) mistakes.push(`${name}: must be set where LOCKSTEP_AUTH=jwt`);
  mistakes.push(...brokerContradictions(values as Partial<Settings>));
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return values as Settings;
}

/** What would leave a connection less protected than its settings look. */
function brokerContradictions(values: Partial<Settings>): string[] {
  const { KAFKA_TLS: tls, KAFKA_SASL_MECHANISM: mechanism } = values;
  const given = (name: keyof Settings) => values[name] !== undefined;
  const mistakes: string[] = [];
  if (!tls)
    for (const name of ["KAFKA_TLS_CA", "KAFKA_TLS_CERT", "KAFKA_TLS_KEY"] as const)
      if (given(name)) mistakes.push(`${name}: says nothing unless KAFKA_TLS=true`);
  if (given("KAFKA_TLS_CERT") !== given("KAFKA_TLS_KEY"))
    mistakes.push("KAFKA_TLS_CERT and KAFKA_TLS_KEY: only both or none");
  for (const name of ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"] as const) {
    if (mechanism && !given(name)) mistakes.push(`${name}: must be set where KAFKA_SASL_MECHANISM is`);
    if (!mechanism && given(name)) mistakes.push(`${name}: says nothing without KAFKA_SASL_MECHANISM`);
  }
  if (mechanism === "plain" && !tls)
    mistakes.push(
      "KAFKA_SASL_MECHANISM=plain: would send the password in the clear; set KAFKA_TLS=true, or use scram-sha-512",
    );
  return mistakes;
}

/** The settings as a service sees them, with secrets hidden. */
export const printableSettings = (values: Settings): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries<Setting>(settings).map(([name, { secret }]) => {
      const value = values[name as keyof Settings];
      return [name, secret && value !== undefined ? "(hidden)" : (value ?? null)];
    }),
  );

/** The content of `.env.example`. */
export function exampleEnvironment(): string {
  const lines = [
    "# All settings, with their defaults. Copy to .env and change what you need; Bun reads .env by itself.",
    "# One that is marked secret may stand in a file: NAME_FILE says which. The password of a URL may, too: ?password-file=/run/secrets/name",
  ];
  for (const [name, { schema, help, secret }] of Object.entries<Setting>(settings)) {
    const initial = schema.safeParse(undefined);
    const value = initial.success && initial.data !== undefined ? String(initial.data) : "";
    lines.push("", `# ${help}${secret ? " (secret)" : ""}`, `# ${name}=${value}`);
  }
  return `${lines.join("\n")}\n`;
}

/** What the settings say about traces and metrics, as plain values. */
export const telemetryOptionsOf = (settings: Settings): TelemetryOptions => ({
  endpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT,
  headers: settings.OTEL_EXPORTER_OTLP_HEADERS,
  traceRatio: settings.LOCKSTEP_TRACE_RATIO,
  slowTraceMs: settings.LOCKSTEP_TRACE_SLOW_MS,
  metricIntervalMs: settings.OTEL_METRICS_EXPORTER === "otlp" ? settings.OTEL_METRIC_EXPORT_INTERVAL : undefined,
});
