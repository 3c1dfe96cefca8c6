/** Starts a whole stack for a test, and controls it as a user does: `bun run up`, `status --json`, HTTP, signals. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { down } from "../../stack/down.ts";
import { isFree } from "../../stack/ports.ts";
import { isRunning } from "../../stack/processes.ts";
import type { RestartResult } from "../../stack/restart.ts";
import { processOf, readState } from "../../stack/state.ts";
import { stackStatus } from "../../stack/status.ts";
import { stopStackAtExit } from "./clean-up-at-exit.ts";
import { eventually } from "./eventually.ts";
import { portsPart } from "./ports.ts";

/** A service or server as `status --json` reports it. */
export interface StatusEntry {
  readonly name: string;
  readonly kind: string;
  readonly instance: number;
  readonly pid: number;
  readonly url: string;
  /** Address that all instances share. */
  readonly sharedUrl?: string;
  readonly health: string;
}

/** Options of `bun run up`. */
export interface StackOptions {
  readonly brokers?: 1 | 3;
  readonly instances?: string;
  readonly partitions?: number;
  /** Starts Jaeger and Prometheus too. */
  readonly observe?: boolean;
  /** Requires access tokens, which `lockstep token --data …` creates. */
  readonly auth?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Repository whose services run: this one by default, or a copy with `node_modules`. */
  readonly root?: string;
}

const here = join(import.meta.dir, "../..");

const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = here) => {
  const child = Bun.spawn([process.execPath, "run", ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
};

/** A running stack. Disposing it stops it and removes its data, unless TEST_KEEP_DATA is set. */
export class Stack implements AsyncDisposable {
  /** Folder of the repository. */
  readonly root: string;

  private constructor(
    readonly data: string,
    readonly portBase: number,
    private readonly options: StackOptions,
  ) {
    this.root = options.root ?? here;
  }

  /** Resolves when the smoke test of `bun run up` has passed. @throws {Error} with the whole output when it does not start. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const data = mkdtempSync(join(tmpdir(), "lockstep-stack-"));
    // PostgreSQL's user must be able to enter; otherwise the stack would store its data in another folder.
    chmodSync(data, 0o711);
    stopStackAtExit(data, Boolean(process.env.TEST_KEEP_DATA));
    const stack = new Stack(data, await freePortBase(), options);
    await stack.up();
    return stack;
  }

  /** Starts it, also again after {@link down}. @throws {Error} with the whole output when it does not start. */
  async up(): Promise<void> {
    const { data, portBase, options, root } = this;
    const args = ["up", "--detach", "--data", data, "--port-base", String(portBase)];
    if (options.brokers) args.push("--brokers", String(options.brokers));
    if (options.instances) args.push("--instances", options.instances);
    if (options.partitions) args.push("--partitions", String(options.partitions));
    if (options.observe) args.push("--observe");
    if (options.auth) args.push("--auth");
    const { stdout, stderr, code } = await run(args, options.env, root);
    if (code === 0) return;
    await this[Symbol.asyncDispose]();
    throw new Error(`the stack did not start (exit ${code}):\n${stdout}\n${stderr}`);
  }

  /** Stops it and keeps its data. */
  async down(): Promise<void> {
    await run(["down", "--data", this.data]);
  }

  /** Returns what `status --json` prints. Called in this process, which is about 300 ms faster. */
  async status(): Promise<{ ready: boolean; services: StatusEntry[] }> {
    const { ready, services } = await stackStatus(this.data);
    return { ready, services: services.map((service) => ({ ...service, pid: service.pid ?? Number.NaN })) };
  }

  /** Returns the status of a process or server. @param instance of several. @throws {Error} when there is none of this name. */
  async entry(name: string, instance: number | string = 1): Promise<StatusEntry> {
    const { services } = await this.status();
    const found = services.filter((s) => s.name === name);
    const entry = found.find((s) => String(s.instance) === String(instance)) ?? found[0];
    if (!entry) throw new Error(`there is no ${name} in ${services.map((s) => s.name).join(", ")}`);
    return entry;
  }

  /** Returns the URL of one instance. */
  async url(name: string, instance: number | string = 1): Promise<string> {
    return this.stateEntry(name, instance).url;
  }

  /** Returns the address for clients, which all instances share. */
  async address(name: string): Promise<string> {
    const { sharedUrl, url } = this.stateEntry(name, 1);
    return sharedUrl ?? url;
  }

  /** Sends a signal to a process. @returns its pid. @throws {Error} when it does not run. */
  async kill(name: string, signal: NodeJS.Signals, instance: number | string = 1): Promise<number> {
    const { pid } = this.stateEntry(name, instance);
    if (pid === null) throw new Error(`${name} is down`);
    process.kill(pid, signal);
    return pid;
  }

  /** Returns an entry of the supervisor's state file, without a health check. */
  private stateEntry(name: string, instance: number | string) {
    const entries = readState(this.data)?.entries ?? [];
    const found = entries.filter((entry) => entry.name === name);
    const entry = found.find((one) => String(one.instance) === String(instance)) ?? found[0];
    if (!entry) throw new Error(`there is no ${name} in ${entries.map((one) => one.name).join(", ")}`);
    return entry;
  }

  /** Waits until a service or server is ready with another pid than `before`. @returns the new pid. */
  untilReplaced(name: string, before: number, timeoutMs = 120_000): Promise<number> {
    return eventually(
      async () => {
        const { pid, health } = await this.entry(name);
        return pid !== before && health === "ready" && pid;
      },
      { timeoutMs, what: `${name} to run again`, everyMs: 100 },
    );
  }

  /** Runs `bun run restart` for all services or those named. @throws {Error} with its output when it fails. */
  async restart(...names: string[]): Promise<RestartResult[]> {
    const { stdout, stderr, code } = await run(["--silent", "restart", "--json", "--data", this.data, ...names]);
    if (code !== 0) throw new Error(`restart ended with ${code}:\n${stdout}\n${stderr}`);
    return JSON.parse(stdout) as RestartResult[];
  }

  /** Returns `host:port` of all brokers. */
  async brokers(): Promise<string[]> {
    const { services } = await this.status();
    return services.filter((s) => s.kind === "broker").map((s) => s.url);
  }

  /** Waits until every service is ready. @returns the milliseconds it took. @throws {Error} after `timeoutMs`. */
  async untilReady(timeoutMs: number): Promise<number> {
    const start = performance.now();
    await eventually(async () => (await this.status()).ready, { timeoutMs, what: "the stack to be ready" });
    return performance.now() - start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (process.env.TEST_KEEP_DATA) {
      await this.down();
      console.error(`kept ${this.data} (${JSON.stringify(this.options)})`);
      return;
    }
    this.killServices();
    // Stops the servers, which have lost their supervisor.
    await down(this.data, () => {});
    rmSync(this.data, { recursive: true, force: true });
  }

  /**
   * Kills the supervisor and all processes but PostgreSQL. Their clean stop takes seconds, and nothing uses the data any
   * more. PostgreSQL would leave shared memory behind.
   */
  killServices(): void {
    const state = readState(this.data);
    const processes = (state?.entries ?? []).filter(({ kind }) => kind !== "postgres").map(processOf);
    for (const one of [state?.supervisor, ...processes]) if (one && isRunning(one)) process.kill(one.pid, "SIGKILL");
  }
}

/** Chooses a port base whose ports are free. Concurrent test processes use disjoint ranges. */
export async function freePortBase(): Promise<number> {
  const { part, parts } = portsPart();
  for (;;) {
    const base = 10_000 + Math.floor(((part - 1 + Math.random()) / parts) * 100) * 100;
    const offsets = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 43];
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}
