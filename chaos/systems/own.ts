/**
 * Servers and services that somebody else started, at the addresses that the verbs use. Chaos has no control over their
 * processes and connections, so only faults that a client can cause are possible.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Project } from "../../contracts/project.ts";
import { type Addresses, resolveAddresses } from "../../operations/connect.ts";
import type { Settings } from "../../platform/settings/settings.ts";
import { UsageError } from "../../stack/options.ts";
import { Operator } from "../operator.ts";
import { judgedReplicas } from "../product.ts";
import type { System, SystemAddresses } from "../system.ts";

/** Settings that must be set, with what they name. */
const REQUIRED = {
  LOCKSTEP_SOURCE_DATABASE_URL: "the source's database",
  LOCKSTEP_REPLICA_DATABASE_URLS: "the replicas' databases, as name=postgres://…,name=postgres://…",
  LOCKSTEP_SERVICE_URLS: "the gateway and the replicas, as name=http://…,name=http://…",
} as const;

/** Uses the system that the settings name. @throws {UsageError} when an address is missing, or tokens or TLS are needed. */
export function attachOwn(project: Project, settings: Settings): System {
  for (const [name, what] of Object.entries(REQUIRED))
    if (settings[name as keyof typeof REQUIRED] === undefined) throw new UsageError(`set ${name}: ${what}`);
  if (settings.KAFKA_TLS || settings.KAFKA_SASL_MECHANISM)
    throw new UsageError("chaos connects to brokers without TLS and SASL only: give it a listener without them");
  if (settings.LOCKSTEP_AUTH === "jwt")
    throw new UsageError("chaos writes without a token: run the gateway with LOCKSTEP_AUTH=off for it");
  const known = resolveAddresses(settings, "", project);
  const addresses = addressesOf(known, project);
  const operator = new Operator(project, known, settings);
  return {
    kind: "own",
    project,
    addresses,
    processes: [],
    connections: [],
    disks: [],
    rollingRestart: undefined,
    conditions: () => operator.conditions(),
    verify: () => operator.verify(),
    resync: () => operator.resync(),
    async keepEvidence(folder) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "conditions.json"), JSON.stringify(await operator.conditions(), null, 2));
    },
    [Symbol.asyncDispose]: () => operator[Symbol.asyncDispose](),
  };
}

function addressesOf({ source, replicas, brokers, redis, services }: Addresses, project: Project): SystemAddresses {
  const judged = judgedReplicas(project);
  const found = <T>(value: T | undefined, setting: keyof typeof REQUIRED, name: string): T => {
    if (value === undefined) throw new UsageError(`${setting} has no entry for ${name}: ${REQUIRED[setting]}`);
    return value;
  };
  const service = (name: string): string =>
    found(services.find((one) => one.name === name)?.url, "LOCKSTEP_SERVICE_URLS", name);
  const database = (name: string): string => found(replicas.get(name), "LOCKSTEP_REPLICA_DATABASE_URLS", name);
  return {
    gateway: service("gateway"),
    replicas: new Map(judged.map((name) => [name, service(name)])),
    sourceDatabase: source,
    replicaDatabases: new Map(judged.map((name) => [name, database(name)])),
    brokers,
    redis,
  };
}
