/** A whole stack for a test, started and judged from outside as a user would: `bun run up`, `status --json`, HTTP, kill. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFree } from "../../stack/ports.ts";
import type { RestartResult } from "../../stack/restart.ts";
import { readState } from "../../stack/state.ts";
import { stackStatus } from "../../stack/status.ts";
import { stopStackAtExit } from "./clean-up-at-exit.ts";
import { eventually } from "./eventually.ts";
import { portsPart } from "./ports.ts";

export interface StatusEntry {
  readonly name: string;
  readonly kind: string;
  readonly instance: number;
  readonly pid: number;
  readonly url: string;
  /** Where one of several instances answers. */
  readonly sharedUrl?: string;
  readonly health: string;
}

export interface StackOptions {
  readonly brokers?: 1 | 3;
  readonly instances?: string;
  readonly partitions?: number;
  /** With Jaeger and Prometheus beside it. */
  readonly observe?: boolean;
  /** Asks for tokens: `lockstep token --data …` makes them. */
  readonly auth?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Folder of the repository whose services run: this one, or a copy with `node_modules`. */
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

  /** Resolves when a canary write was readable everywhere. @throws {Error} with the whole output when it does not start. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const data = mkdtempSync(join(tmpdir(), "lockstep-stack-"));
    // PostgreSQL's user must be able to enter, or its data would lie elsewhere.
    chmodSync(data, 0o711);
    stopStackAtExit(data, Boolean(process.env.TEST_KEEP_DATA));
    const stack = new Stack(data, await freePortBase(), options);
    const args = ["up", "--detach", "--data", data, "--port-base", String(stack.portBase)];
    if (options.brokers) args.push("--brokers", String(options.brokers));
    if (options.instances) args.push("--instances", options.instances);
    if (options.partitions) args.push("--partitions", String(options.partitions));
    if (options.observe) args.push("--observe");
    if (options.auth) args.push("--auth");
    const { stdout, stderr, code } = await run(args, options.env, stack.root);
    if (code !== 0) {
      await stack[Symbol.asyncDispose]();
      throw new Error(`the stack did not start (exit ${code}):\n${stdout}\n${stderr}`);
    }
    return stack;
  }

  /** As `status --json` tells it; asked within this process, which is some 300 ms faster. */
  async status(): Promise<{ ready: boolean; services: StatusEntry[] }> {
    const { ready, services } = await stackStatus(this.data);
    return { ready, services: services.map((service) => ({ ...service, pid: service.pid ?? Number.NaN })) };
  }

  /** One process or server by name, and by instance where there are several. */
  async entry(name: string, instance: number | string = 1): Promise<StatusEntry> {
    const { services } = await this.status();
    const found = services.filter((s) => s.name === name);
    const entry = found.find((s) => String(s.instance) === String(instance)) ?? found[0];
    if (!entry) throw new Error(`there is no ${name} in ${services.map((s) => s.name).join(", ")}`);
    return entry;
  }

  async url(name: string, instance: number | string = 1): Promise<string> {
    return this.stateEntry(name, instance).url;
  }

  /** What a client is given: one address for all instances. */
  async address(name: string): Promise<string> {
    const { sharedUrl, url } = this.stateEntry(name, 1);
    return sharedUrl ?? url;
  }

  /** Sends a signal to a process by the pid that status tells. @returns the pid. */
  async kill(name: string, signal: NodeJS.Signals, instance: number | string = 1): Promise<number> {
    const { pid } = this.stateEntry(name, instance);
    if (pid === null) throw new Error(`${name} is down`);
    process.kill(pid, signal);
    return pid;
  }

  /** What the supervisor has written down, without asking how it is. */
  private stateEntry(name: string, instance: number | string) {
    const entries = readState(this.data)?.entries ?? [];
    const found = entries.filter((entry) => entry.name === name);
    const entry = found.find((one) => String(one.instance) === String(instance)) ?? found[0];
    if (!entry) throw new Error(`there is no ${name} in ${entries.map((one) => one.name).join(", ")}`);
    return entry;
  }

  /** Waits until a service or server is ready under another pid than before. @returns the new one. */
  untilReplaced(name: string, before: number, timeoutMs = 120_000): Promise<number> {
    return eventually(
      async () => {
        const { pid, health } = await this.entry(name);
        return pid !== before && health === "ready" && pid;
      },
      { timeoutMs, what: `${name} to run again`, everyMs: 100 },
    );
  }

  /** `bun run restart`: all services, or those named, one instance after the other. @throws {Error} with its output when one does not come back. */
  async restart(...names: string[]): Promise<RestartResult[]> {
    const { stdout, stderr, code } = await run(["--silent", "restart", "--json", "--data", this.data, ...names]);
    if (code !== 0) throw new Error(`restart ended with ${code}:\n${stdout}\n${stderr}`);
    return JSON.parse(stdout) as RestartResult[];
  }

  async brokers(): Promise<string[]> {
    const { services } = await this.status();
    return services.filter((s) => s.kind === "broker").map((s) => s.url);
  }

  /** @returns milliseconds until everything is ready. */
  async untilReady(timeoutMs: number): Promise<number> {
    const start = performance.now();
    await eventually(async () => (await this.status()).ready, { timeoutMs, what: "the stack to be ready" });
    return performance.now() - start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run(["down", "--data", this.data]);
    if (process.env.TEST_KEEP_DATA) console.error(`kept ${this.data} (${JSON.stringify(this.options)})`);
    else rmSync(this.data, { recursive: true, force: true });
  }
}

/** A base whose neighbours are most likely free: stacks of parallel runs lie far apart. */
async function freePortBase(): Promise<number> {
  const { part, parts } = portsPart();
  for (;;) {
    const base = 10_000 + Math.floor(((part - 1 + Math.random()) / parts) * 100) * 100;
    const offsets = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 43];
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
}
