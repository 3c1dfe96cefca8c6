/** The options of `bun run up`: flags, and the addresses of external servers from the environment. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../contracts/errors.ts";
import { MAX_INSTANCES } from "./layout.ts";

/** A flag or setting has a wrong value. The message says which values are allowed. */
export class UsageError extends UserError {
  constructor(message: string) {
    super(message, "USAGE");
  }
}

export { DEFAULT_DATA } from "../platform/stack-file.ts";
/** Port of the gateway; the others follow from it (layout.ts). */
export const DEFAULT_PORT_BASE = 8080;

/** Flags as the command line has them. */
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
  readonly proxies?: string;
}

/** Flags after validation. */
export interface UpOptions {
  /** Absolute path of the data folder. */
  readonly data: string;
  readonly portBase: number;
  readonly fresh: boolean;
  readonly detach: boolean;
  /** Instances by service name. A service that is not listed has 1. */
  readonly instances: ReadonlyMap<string, number>;
  /** Undefined: the number that the data was created with, or 1 for new data. */
  readonly brokers: 1 | 3 | undefined;
  /** Undefined: the number that the data was created with, or the services' default for new data. */
  readonly partitions: number | undefined;
  /** True: start Jaeger, Prometheus and Grafana too. */
  readonly observe: boolean;
  /** True: gateway and console require tokens, signed with a key in the data folder. */
  readonly auth: boolean;
  readonly external: ExternalServers;
  /** Proxies between services and servers. Chaos runs them; users have none. */
  readonly proxies: readonly ProxyRoute[];
}

/** Addresses of servers that run elsewhere. The stack uses them and never starts or stops them. */
export interface ExternalServers {
  readonly brokers: string | undefined;
  readonly redis: string | undefined;
  /** OTLP endpoint that receives traces. */
  readonly traces: string | undefined;
  /** PostgreSQL URLs by owner: `gateway`, or the replica's name. */
  readonly databases: ReadonlyMap<string, string>;
}

/** One service reaches one server through a proxy on 127.0.0.1. All others reach the server directly. */
export interface ProxyRoute {
  /** Label of the service: `stream 2`. */
  readonly service: string;
  /** Label of the server: `gateway-db`, `broker 2`. */
  readonly server: string;
  /** Port of the proxy. */
  readonly port: number;
  /** Port that the proxy connects to. A broker opens a listener on it; any other server has its own port here. */
  readonly target: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const wholeNumber = (flag: string, text: string, min: number, max: number): number => {
  if (!/^\d{1,6}$/.test(text) || Number(text) < min || Number(text) > max)
    throw new UsageError(`${flag} ${text}: must be a whole number from ${min} to ${max}`);
  return Number(text);
};

/** `stream=2,catalog=3` → instances by service name. */
function instanceCounts(text: string, services: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const part of text.split(",").filter((p) => p !== "")) {
    const [name = "", count = ""] = part.split("=");
    if (!services.includes(name))
      throw new UsageError(
        `--instances ${part}: there is no service ${name}; the services are: ${services.join(", ")}`,
      );
    counts.set(name, wholeNumber(`--instances ${name}`, count, 1, MAX_INSTANCES));
  }
  return counts;
}

/** Reads the routes of a file. @throws {Error} when the file cannot be read or is not JSON. */
const readProxyRoutes = (file: string): ProxyRoute[] => JSON.parse(readFileSync(file, "utf8")) as ProxyRoute[];

const nonEmpty = (value: string | undefined): string | undefined => (value ? value : undefined);

/**
 * Reads `KAFKA_BROKERS`, `REDIS_URL`, `OTEL_EXPORTER_OTLP_ENDPOINT`, and `<OWNER>_DATABASE_URL` of each owner. Plain
 * `DATABASE_URL` is the gateway's, because the gateway itself reads it.
 */
function externalServers(env: Environment, owners: readonly string[]): ExternalServers {
  const databases = new Map<string, string>();
  for (const owner of owners) {
    const ownUrl = nonEmpty(env[`${owner.toUpperCase().replaceAll("-", "_")}_DATABASE_URL`]);
    const url = ownUrl ?? (owner === "gateway" ? nonEmpty(env.DATABASE_URL) : undefined);
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
 * Validates the flags and reads the external servers.
 *
 * @param names `services`: allowed in `--instances`. `owners`: owners of a database.
 * @throws {UsageError} for the first value that is not allowed.
 */
export function readOptions(
  flags: UpFlags,
  env: Environment,
  names: { readonly services: readonly string[]; readonly owners: readonly string[] },
): UpOptions {
  if (flags.brokers !== undefined && flags.brokers !== "1" && flags.brokers !== "3")
    throw new UsageError(`--brokers ${flags.brokers}: must be 1 or 3`);
  if (flags.auth && nonEmpty(env.LOCKSTEP_AUTH))
    throw new UsageError(
      `--auth and LOCKSTEP_AUTH=${env.LOCKSTEP_AUTH} exclude each other: --auth starts its own token issuer; remove one of them`,
    );
  return {
    data: resolve(flags.data),
    // The highest port is 932 above the base: instance 9 of a service, and the brokers' controllers at +32.
    portBase: wholeNumber("--port-base", flags.portBase, 1024, 64_000),
    fresh: flags.fresh ?? false,
    detach: flags.detach ?? false,
    instances: instanceCounts(flags.instances ?? "", names.services),
    brokers: flags.brokers === undefined ? undefined : (Number(flags.brokers) as 1 | 3),
    partitions: flags.partitions === undefined ? undefined : wholeNumber("--partitions", flags.partitions, 1, 256),
    observe: flags.observe ?? false,
    auth: flags.auth ?? false,
    external: externalServers(env, names.owners),
    proxies: flags.proxies === undefined ? [] : readProxyRoutes(flags.proxies),
  };
}
