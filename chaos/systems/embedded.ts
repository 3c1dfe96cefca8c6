/** A stack of `bun run up`: one that chaos starts in a temporary folder, or one that runs already. */
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { isService } from "../../contracts/services.ts";
import { resolveAddresses } from "../../operations/connect.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { down } from "../../stack/down.ts";
import { healthOf } from "../../stack/health.ts";
import { hold, release } from "../../stack/hold.ts";
import { readOptions } from "../../stack/options.ts";
import { databaseOwners, labelOf, planStack, serviceNames } from "../../stack/plan.ts";
import { isFree } from "../../stack/ports.ts";
import { isRunning } from "../../stack/processes.ts";
import { replicaOffsets } from "../../stack/replica-ports.ts";
import { restart } from "../../stack/restart.ts";
import { openLog } from "../../stack/servers/server.ts";
import { processOf, readState, type StateEntry } from "../../stack/state.ts";
import { stackStatus } from "../../stack/status.ts";
import { startStackProxies } from "../network/stack-proxies.ts";
import { Operator } from "../operator.ts";
import { judgedReplicas } from "../product.ts";
import type { ProcessKind, System, SystemAddresses, SystemProcess } from "../system.ts";
import { mountSmallDisks } from "./small-disks.ts";

/** How {@link startEmbedded} starts a stack. */
export interface EmbeddedOptions {
  /** The project that LOCKSTEP_CONFIG names: the services load it too. */
  readonly project: Project;
  readonly brokers: 1 | 3;
  /** As `bun run up --instances`: `relay=2,stream=2`. */
  readonly instances: string;
  /** Puts each PostgreSQL server and broker on a disk that can be filled, where this process may mount one. */
  readonly hasSmallDisks: boolean;
  /** Receives the output of `bun run up`. */
  readonly print: (line: string) => void;
}

const root = join(import.meta.dirname, "../..");
const START_TIMEOUT_MS = 300_000;

/**
 * Starts a stack with data in a temporary folder. Disposal stops it and removes the data. The stack stops by itself when
 * this process ends in any way.
 *
 * @throws {UsageError} when `instances` is wrong.
 * @throws {UserError} with the stack's output when it does not start.
 */
export async function startEmbedded(embedded: EmbeddedOptions): Promise<System> {
  const { project, brokers, instances, hasSmallDisks, print } = embedded;
  const portBase = String(await freePortBase());
  const options = readOptions({ data: "", portBase, instances }, process.env, stackNames(project));
  const plan = planStack(options, brokers, replicaOffsets(project));
  const data = mkdtempSync(join(tmpdir(), "lockstep-chaos-"));
  // PostgreSQL's user must be able to enter; otherwise the stack would store its data in another folder.
  chmodSync(data, 0o711);
  const proxies = await startStackProxies(plan);
  const proxyFile = join(data, "proxies.json");
  writeFileSync(proxyFile, JSON.stringify(proxies.routes));
  const disks = hasSmallDisks ? await mountSmallDisks(data, plan) : undefined;
  const flags = ["--data", data, "--port-base", portBase, "--brokers", String(brokers), "--instances", instances];
  const log = openLog(join(data, "supervisor.log"));
  const child = Bun.spawn([process.execPath, "stack/main.ts", "up", ...flags, "--proxies", proxyFile], {
    cwd: root,
    // The stack takes this process for the one that launched it, as it does with `bun run`, and stops when it has ended.
    env: { ...process.env, npm_lifecycle_event: "up" },
    // Ctrl-C on a terminal must not reach the stack: chaos ends the faults first, and stops the stack then.
    detached: true,
    stdio: ["ignore", log, log],
  });
  const stop = async () => {
    await down(data, () => {});
    await child.exited;
    await proxies[Symbol.asyncDispose]();
    await disks?.[Symbol.asyncDispose]();
    rmSync(data, { recursive: true, force: true });
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (readState(data)?.ready !== true) {
    if (child.exitCode !== null || Date.now() > deadline) {
      const output = readFileSync(join(data, "supervisor.log"), "utf8");
      await stop();
      throw new UserError(`the stack did not start:\n${output}`);
    }
    await sleep(100);
  }
  print(`a stack with ${brokers} broker${brokers === 1 ? "" : "s"} runs in ${data}`);
  return systemOf(project, data, { connections: proxies.connections, disks: disks?.disks ?? [], stop });
}

const stackNames = ({ replicaNames }: Project) => ({
  services: serviceNames(replicaNames),
  owners: databaseOwners(replicaNames),
});

/** Uses a stack that runs already, and leaves it running. @throws {UserError} when none is ready on this folder. */
export async function attachEmbedded(project: Project, data: string): Promise<System> {
  const folder = resolve(data);
  const { ready } = await stackStatus(folder);
  if (!ready) throw new UserError(`no stack is ready on ${data}: start one with bun run up, see bun run status`);
  return systemOf(project, folder, { connections: [], disks: [], stop: async () => {} });
}

/** What chaos has put around a stack, and how it ends the stack. */
interface Surroundings extends Pick<System, "connections" | "disks"> {
  readonly stop: () => Promise<void>;
}

function systemOf(project: Project, data: string, { connections, disks, stop }: Surroundings): System {
  const settings = readSettings({});
  const operator = new Operator(project, resolveAddresses(settings, data, project), settings);
  const entries = readState(data)?.entries ?? [];
  return {
    kind: "embedded",
    project,
    addresses: addressesOf(entries, project),
    processes: entries.filter(({ kind }) => kindOf(kind) !== undefined).map((entry) => processIn(data, entry)),
    connections,
    disks,
    rollingRestart: async () => void (await restart(data, [], () => {})),
    conditions: () => operator.conditions(),
    verify: () => operator.verify(),
    resync: () => operator.resync(),
    keepEvidence: async (folder) => keepLogs(data, folder),
    [Symbol.asyncDispose]: async () => {
      await operator[Symbol.asyncDispose]();
      await stop();
    },
  };
}

function addressesOf(entries: readonly StateEntry[], project: Project): SystemAddresses {
  const replicas = judgedReplicas(project);
  const entry = (name: string) => entries.find((one) => one.name === name);
  const clientUrl = (name: string) => entry(name)?.sharedUrl ?? entry(name)?.url ?? "";
  return {
    gateway: clientUrl("gateway"),
    replicas: new Map(replicas.map((name) => [name, clientUrl(name)])),
    sourceDatabase: entry("gateway-db")?.url ?? "",
    replicaDatabases: new Map(replicas.map((name) => [name, entry(`${name}-db`)?.url ?? ""])),
    brokers: entries.filter(({ kind }) => kind === "broker").map(({ url }) => url),
    redis: entry("redis")?.url,
  };
}

const kindOf = (kind: string): ProcessKind | undefined =>
  kind === "postgres" || kind === "broker" || kind === "redis" ? kind : isService({ kind }) ? "service" : undefined;

function processIn(data: string, { name, instance, kind }: StateEntry): SystemProcess {
  const label = labelOf({ name, instance });
  const current = () => {
    const entry = readState(data)?.entries.find((one) => labelOf(one) === label);
    const running = entry && processOf(entry);
    return entry && running && isRunning(running) ? { ...entry, pid: running.pid } : undefined;
  };
  return {
    name: label,
    kind: kindOf(kind)!,
    signal: async (signal) => {
      const pid = current()?.pid;
      if (pid === undefined) throw new Error(`${label} does not run`);
      process.kill(pid, signal);
      if (kind !== "postgres" || !/^SIG(STOP|CONT)$/.test(signal)) return;
      for (const child of childrenOf(pid)) sendTo(child, signal);
    },
    hold: async () => {
      hold(data, label);
      return async () => release(data, label);
    },
    identity: async () => {
      const entry = current();
      return entry && `${entry.pid} ${entry.identity}`;
    },
    isReady: async () => {
      const entry = current();
      return entry !== undefined && (await healthOf(entry.kind, entry.url)).health === "ready";
    },
  };
}

/** The child processes of a process; empty where the system does not list them. */
function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children.split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Sends a signal to a process that may have ended meanwhile. */
function sendTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {}
}

/** Copies the logs and the state file of a stack; not the data of its servers. */
function keepLogs(data: string, folder: string): void {
  const names = readdirSync(data, { recursive: true, encoding: "utf8" });
  for (const name of names)
    if (name === "stack.json" || (/\.log(\.1)?$/.test(name) && !name.includes("/data/")))
      cpSync(join(data, name), join(folder, "logs", name));
}

/** A port base whose ports are free. */
async function freePortBase(): Promise<number> {
  for (;;) {
    const base = 10_000 + Math.floor(Math.random() * 100) * 100;
    const offsets = [...Array.from({ length: 44 }, (_, i) => i), 100, 101, 102, 103, 104, 200, 201, 202];
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}
