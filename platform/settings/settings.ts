/**
 * All settings of all services. They are read once, at the start of a process; no other module reads the environment.
 */
import { readFileSync } from "node:fs";
import type { z } from "zod";
import { LockstepError } from "../../contracts/errors.ts";
import type { TelemetryOptions } from "../../observability/telemetry.ts";
import { access } from "./schema/access.ts";
import { connections } from "./schema/connections.ts";
import { operations } from "./schema/operations.ts";
import { processSettings } from "./schema/process.ts";
import { replication } from "./schema/replication.ts";
import type { Setting } from "./schema/setting.ts";
import { telemetry } from "./schema/telemetry.ts";
import { readSecretFiles } from "./secret-files.ts";

/** The schema: default, unit and range of each setting, by its name. `.env.example` is generated from it. */
export const settings = {
  ...connections,
  ...processSettings,
  ...telemetry,
  ...replication,
  ...access,
  ...operations,
} as const;

/** The values that {@link readSettings} returns. */
export type Settings = { readonly [K in keyof typeof settings]: z.output<(typeof settings)[K]["schema"]> };

/** Wrong settings. The message has one line for each mistake: name, value unless secret, what is allowed. */
export class SettingsError extends LockstepError {
  constructor(readonly mistakes: readonly string[]) {
    super("SETTINGS_INVALID", `wrong settings:\n${mistakes.map((m) => `  ${m}`).join("\n")}`);
  }
}

const secretNames = Object.entries<Setting>(settings).flatMap(([name, { secret }]) => (secret ? [name] : []));

/**
 * Reads and validates all settings. An empty value counts as not set. Secrets may come from files ({@link
 * readSecretFiles}).
 *
 * @throws {SettingsError} with every mistake: wrong values, contradictions, and unknown names with the prefix
 * LOCKSTEP_.
 */
export function readSettings(from: Readonly<Record<string, string | undefined>>): Settings {
  const { env, mistakes } = readSecretFiles(from, secretNames, (path) => readFileSync(path, "utf8"));
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
    if (name.startsWith("LOCKSTEP_") && !(name in settings))
      mistakes.push(`${name}: there is no such setting; .env.example lists all`);
  if (values.LOCKSTEP_AUTH === "jwt")
    for (const name of ["LOCKSTEP_AUTH_ISSUER", "LOCKSTEP_AUTH_JWKS"] as const)
      if (!env[name]) mistakes.push(`${name}: must be set with LOCKSTEP_AUTH=jwt`);
  mistakes.push(...brokerContradictions(values as Partial<Settings>));
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return values as Settings;
}

/** Combinations in which a connection to brokers would be less secure than its settings suggest. */
function brokerContradictions(values: Partial<Settings>): string[] {
  const { KAFKA_TLS: tls, KAFKA_SASL_MECHANISM: mechanism } = values;
  const isSet = (name: keyof Settings) => values[name] !== undefined;
  const mistakes: string[] = [];
  if (!tls)
    for (const name of ["KAFKA_TLS_CA", "KAFKA_TLS_CERT", "KAFKA_TLS_KEY"] as const)
      if (isSet(name)) mistakes.push(`${name}: has no effect without KAFKA_TLS=true; set both or neither`);
  if (isSet("KAFKA_TLS_CERT") !== isSet("KAFKA_TLS_KEY"))
    mistakes.push("KAFKA_TLS_CERT and KAFKA_TLS_KEY: set both or neither");
  for (const name of ["KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"] as const) {
    if (mechanism && !isSet(name)) mistakes.push(`${name}: must be set with KAFKA_SASL_MECHANISM`);
    if (!mechanism && isSet(name))
      mistakes.push(`${name}: has no effect without KAFKA_SASL_MECHANISM; set both or neither`);
  }
  if (mechanism === "plain" && !tls)
    mistakes.push(
      "KAFKA_SASL_MECHANISM=plain: would send the password unencrypted; set KAFKA_TLS=true, or use scram-sha-512",
    );
  return mistakes;
}

/** Replication of the topics that a service creates, as options of the log. */
export const replicationOptionsOf = (
  values: Pick<Settings, "LOCKSTEP_REPLICATION_FACTOR" | "LOCKSTEP_MIN_IN_SYNC">,
) => ({
  replicationFactor: values.LOCKSTEP_REPLICATION_FACTOR,
  minInSyncReplicas: values.LOCKSTEP_MIN_IN_SYNC,
});

/** The settings of traces and metrics, as options of `startTelemetry`. */
export const telemetryOptionsOf = (values: Settings): TelemetryOptions => ({
  endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
  headers: values.OTEL_EXPORTER_OTLP_HEADERS,
  traceRatio: values.LOCKSTEP_TRACE_RATIO,
  slowTraceMs: values.LOCKSTEP_TRACE_SLOW_MS,
  metricIntervalMs: values.OTEL_METRICS_EXPORTER === "otlp" ? values.OTEL_METRIC_EXPORT_INTERVAL : undefined,
});
