/** The containers of compose.yaml, as `docker compose up` has started them. Chaos leaves them running. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { judgedReplicas } from "../product.ts";
import type { ProcessKind, System, SystemAddresses, SystemProcess } from "../system.ts";
import { Docker } from "./docker.ts";

const DEVELOPMENT_SECRETS = join(import.meta.dirname, "../../stack/compose/development-secrets");
const CONDITIONS_TIMEOUT_MS = 10_000;
const STATE_AGE_MS = 1_000;

/** One container, as `docker compose ps` lists it. */
interface Container {
  readonly Name: string;
  readonly Service: string;
}

/**
 * Uses the containers of a project.
 *
 * @param options `docker` is the command, `secrets` the folder of the databases' passwords.
 * @throws {UserError} when a container of Lockstep does not run.
 */
export async function attachCompose(
  project: Project,
  options: { readonly docker?: string; readonly secrets?: string | undefined } = {},
): Promise<System> {
  const docker = new Docker(options.docker ?? "docker");
  const compose = (...args: readonly string[]) => docker.run("compose", "--progress", "quiet", ...args);
  const listed = (await compose("ps", "--all", "--format", "json")).split("\n").filter(Boolean);
  const containers = listed
    .map((line) => JSON.parse(line) as Container)
    .filter(({ Service }) => kindOf(project, Service));
  if (containers.length === 0)
    throw new UserError("no container of compose.yaml runs: start them with docker compose up");
  const processes = containers.map(
    (container) => new ContainerProcess(docker, container, kindOf(project, container.Service)!),
  );
  for (const process of processes)
    if (!(await process.isReady())) throw new UserError(`${process.name} is not healthy: see docker compose ps`);
  const services = new Set(containers.map(({ Service }) => Service));
  const addresses = await addressesOf(project, compose, services, options.secrets ?? DEVELOPMENT_SECRETS);
  const console = await published(compose, "console", 8080);
  return {
    kind: "compose",
    project,
    addresses,
    processes: processes.sort((a, b) => (a.name < b.name ? -1 : 1)),
    connections: [],
    disks: [],
    rollingRestart: undefined,
    conditions: () => conditionsAt(`http://${console}/api/status`),
    async verify() {
      const { status, all } = await lockstep(docker, "verify");
      return { verdict: status === 0 ? "equal" : status === 1 ? "differs" : "unknown", text: all };
    },
    async resync() {
      const { status, all } = await lockstep(docker, "resync");
      return { equal: status === 0, text: all };
    },
    async keepEvidence(folder) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "compose.log"), await compose("logs", "--no-color", "--timestamps"));
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Undefined for a container that is no part of Lockstep. */
function kindOf({ replicaNames }: Project, service: string): ProcessKind | undefined {
  if (service.endsWith("-db")) return "postgres";
  if (/^redpanda(-\d+)?$/.test(service)) return "broker";
  if (service === "redis") return "redis";
  return ["gateway", "relay", "stream", "console", ...replicaNames].includes(service) ? "service" : undefined;
}

/** `redpanda-2` → `broker 2`, the second container of `stream` → `stream 2`. */
function labelOf({ Name, Service }: Container, kind: ProcessKind): string {
  const number = /-(\d+)$/.exec(Service.startsWith("redpanda") ? Service : Name)?.[1] ?? "1";
  const name = kind === "broker" ? "broker" : Service;
  return number === "1" ? name : `${name} ${number}`;
}

/** A container. Docker does not restart one that a command has ended, so this class does. */
class ContainerProcess implements SystemProcess {
  readonly name: string;
  private readonly container: string;
  private isHeld = false;
  /** Settles when the container has ended after a signal and was started again. */
  private restarting: Promise<void> | undefined;
  private lastState: Promise<readonly string[]> = Promise.resolve([]);
  private lookedAt = 0;

  constructor(
    private readonly docker: Docker,
    container: Container,
    readonly kind: ProcessKind,
  ) {
    this.name = labelOf(container, kind);
    this.container = container.Name;
  }

  async signal(signal: Parameters<SystemProcess["signal"]>[0]): Promise<void> {
    // The whole container is frozen: a signal would suspend its first process only.
    if (signal === "SIGSTOP") await this.docker.run("pause", this.container);
    else if (signal === "SIGCONT") await this.docker.run("unpause", this.container);
    else {
      await this.docker.run("kill", "--signal", signal, this.container);
      this.restarting = this.docker.run("wait", this.container).then(() => this.start());
      // Reported by `isReady`, which stays false.
      this.restarting.catch(() => {}).finally(() => (this.restarting = undefined));
    }
  }

  readonly hold = async (): Promise<() => Promise<void>> => {
    this.isHeld = true;
    return async () => {
      await this.restarting?.catch(() => {});
      this.isHeld = false;
      await this.start();
    };
  };

  /** The container loses its network, and with it the ports that it publishes. */
  readonly disconnect = async (): Promise<() => Promise<void>> => {
    const networks = JSON.parse(await this.inspect("{{json .NetworkSettings.Networks}}")) as Record<
      string,
      { readonly Aliases: readonly string[] | null }
    >;
    for (const network of Object.keys(networks))
      await this.docker.run("network", "disconnect", network, this.container);
    return async () => {
      for (const [network, { Aliases }] of Object.entries(networks)) {
        const aliases = (Aliases ?? []).flatMap((alias) => ["--alias", alias]);
        await this.docker.run("network", "connect", ...aliases, network, this.container);
      }
    };
  };

  async identity(): Promise<string | undefined> {
    return (await this.state())[2];
  }

  async isReady(): Promise<boolean> {
    const [status, health] = this.restarting ? [] : await this.state();
    return status === "running" && health === "healthy";
  }

  /** Status, health and start time; empty when Docker does not answer. At most a second old: each look is a process. */
  private state(): Promise<readonly string[]> {
    if (Date.now() > this.lookedAt + STATE_AGE_MS) {
      this.lookedAt = Date.now();
      this.lastState = this.inspect("{{.State.Status}} {{.State.Health.Status}} {{.State.StartedAt}}").then(
        (text) => text.split(" "),
        () => [],
      );
    }
    return this.lastState;
  }

  private async start(): Promise<void> {
    if (!this.isHeld) await this.docker.run("start", this.container);
  }

  private inspect(template: string): Promise<string> {
    return this.docker.run("inspect", "--format", template, this.container);
  }
}

type Compose = (...args: readonly string[]) => Promise<string>;

/** `host:port` of a container's port on this machine. */
const published = (compose: Compose, service: string, port: number): Promise<string> =>
  compose("port", service, String(port));

async function addressesOf(
  project: Project,
  compose: Compose,
  services: ReadonlySet<string>,
  secrets: string,
): Promise<SystemAddresses> {
  const http = async (service: string) => `http://${await published(compose, service, 8080)}`;
  const database = async (owner: string) => {
    const password = readFileSync(join(secrets, `${owner}-db-password`), "utf8").trim();
    const address = await published(compose, `${owner}-db`, 5432);
    return `postgres://lockstep:${encodeURIComponent(password)}@${address}/${owner}`;
  };
  const ofReplicas = async (urlOf: (name: string) => Promise<string>) =>
    new Map(await Promise.all(judgedReplicas(project).map(async (name) => [name, await urlOf(name)] as const)));
  const brokers = [...services].filter((service) => kindOf(project, service) === "broker").sort();
  return {
    gateway: await http("gateway"),
    replicas: await ofReplicas(http),
    sourceDatabase: await database("gateway"),
    replicaDatabases: await ofReplicas(database),
    brokers: await Promise.all(brokers.map((service) => published(compose, service, 19_092))),
    // compose.yaml does not publish its port. The verbs run in a container and read the caches.
    redis: undefined,
  };
}

async function conditionsAt(url: string): Promise<string[]> {
  const response = await fetch(url, { signal: AbortSignal.timeout(CONDITIONS_TIMEOUT_MS) });
  const { conditions } = (await response.json()) as { conditions: readonly { readonly condition: string }[] };
  return [...new Set(conditions.map(({ condition }) => condition))];
}

/** Runs a verb in the console's container, which knows all addresses. */
const lockstep = (docker: Docker, verb: string) =>
  docker.try("compose", "exec", "-T", "console", "/usr/local/bin/lockstep", verb);
