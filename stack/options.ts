/** What `bun run up` was asked for: flags, and the addresses of servers that it need not bring. */
import { resolve } from "node:path";
import { UserError } from "../contracts/errors.ts";
import { MAX_INSTANCES } from "./layout.ts";

/** What a person asked for makes no sense. The message says what is allowed. */
export class UsageError extends UserError {
  constructor(message: string) {
    super(message, "USAGE");
  }
}

export { DEFAULT_DATA } from "../platform/stack-file.ts";
export const DEFAULT_PORT_BASE = 8080;

/** Flags as the command line gives them. */
export interface UpFlags {
  readonly data: string;
  readonly portBase: string;
  readonly fresh?: boolean;
  readonly detach?: boolean;
  readonly instances?: string;
  readonly brokers?: string;
  readonly partitions?: string;
  readonly observe?: boolean;
  readonly auth?: boolean;
}

export interface UpOptions {
  /** Absolute. */
  readonly data: string;
  readonly portBase: number;
  readonly fresh: boolean;
  readonly detach: boolean;
  /** Instances per service name; 1 for those that are not named. */
  readonly instances: ReadonlyMap<string, number>;
  /** Undefined: as the data was made with, else 1. */
  readonly brokers: 1 | 3 | undefined;
  /** Undefined: as the data was made with, else the services' default. */
  readonly partitions: number | undefined;
  /** Whether Jaeger, Prometheus and Grafana are started beside it. */
  readonly observe: boolean;
  /** Whether gateway and console ask for tokens, which a key in the data folder signs. */
  readonly auth: boolean;
  readonly external: ExternalServers;
}

/** Servers that are somewhere already; those are used and never started or stopped. */
export interface ExternalServers {
  readonly brokers: string | undefined;
  readonly redis: string | undefined;
  /** Where traces are sent to. */
  readonly traces: string | undefined;
  /** By owner: `gateway`, or the replica's name. */
  readonly databases: ReadonlyMap<string, string>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const wholeNumber = (flag: string, given: string, min: number, max: number): number => {
  if (!/^\d{1,6}$/.test(given) || Number(given) < min || Number(given) > max)
    throw new UsageError(`${flag} ${given}: must be a whole number from ${min} to ${max}`);
  return Number(given);
};

/** `stream=2,catalog=3` → counts by name. */
function instanceCounts(given: string, services: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const part of given.split(",").filter((p) => p !== "")) {
    const [name = "", count = ""] = part.split("=");
    if (!services.includes(name))
      throw new UsageError(`--instances ${part}: there is no service ${name}; there are: ${services.join(", ")}`);
    counts.set(name, wholeNumber(`--instances ${name}`, count, 1, MAX_INSTANCES));
  }
  return counts;
}

const nonEmpty = (value: string | undefined): string | undefined => (value ? value : undefined);

/** `GATEWAY_DATABASE_URL`, `CATALOG_DATABASE_URL`, …; plain `DATABASE_URL` is the gateway's, as it is for the gateway itself. */
export function externalServers(env: Environment, owners: readonly string[]): ExternalServers {
  const databases = new Map<string, string>();
  for (const owner of owners) {
    const own = nonEmpty(env[`${owner.toUpperCase().replaceAll("-", "_")}_DATABASE_URL`]);
    const url = own ?? (owner === "gateway" ? nonEmpty(env.DATABASE_URL) : undefined);
    if (url) databases.set(owner, url);
  }
  return {
    brokers: nonEmpty(env.KAFKA_BROKERS),
    redis: nonEmpty(env.REDIS_URL),
    traces: nonEmpty(env.OTEL_EXPORTER_OTLP_ENDPOINT),
    databases,
  };
}

/**
 * Checks the flags.
 *
 * @param services names that `--instances` may have. @param owners all that own a database.
 * @throws {UsageError} for the first value that is not allowed.
 */
export function readOptions(
  flags: UpFlags,
  env: Environment,
  { services, owners }: { services: readonly string[]; owners: readonly string[] },
): UpOptions {
  if (flags.brokers !== undefined && flags.brokers !== "1" && flags.brokers !== "3")
    throw new UsageError(`--brokers ${flags.brokers}: must be 1 or 3`);
  if (flags.auth && nonEmpty(env.LOCKSTEP_AUTH))
    throw new UsageError(`--auth brings an issuer of its own: leave it out, or LOCKSTEP_AUTH=${env.LOCKSTEP_AUTH}`);
  return {
    data: resolve(flags.data),
    // The highest port is 932 above: instance 9 of a service, and the controllers at +32.
    portBase: wholeNumber("--port-base", flags.portBase, 1024, 64_000),
    fresh: flags.fresh ?? false,
    detach: flags.detach ?? false,
    instances: instanceCounts(flags.instances ?? "", services),
    brokers: flags.brokers === undefined ? undefined : (Number(flags.brokers) as 1 | 3),
    partitions: flags.partitions === undefined ? undefined : wholeNumber("--partitions", flags.partitions, 1, 256),
    observe: flags.observe ?? false,
    auth: flags.auth ?? false,
    external: externalServers(env, owners),
  };
}
