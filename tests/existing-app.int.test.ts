/**
 * docs/build/existing-app.md: applications of others as the writers, with relay, stream and replica as their own units,
 * and no gateway. The blocks of the page run as they are, with other folders, addresses and ports.
 */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { header } from "../contracts/event.ts";
import { connectLog } from "../kafka/connect-log.ts";
import { createLogger } from "../observability/logger.ts";
import { settings } from "../platform/settings/settings.ts";
import { BookshopApp } from "./adoption/apps/bookshop-app.ts";
import { LibraryApp, type WriteContext } from "./adoption/apps/drizzle/library-app.ts";
import { compareTable } from "./adoption/compare.ts";
import { blocksOf, type PageOptions, programFolder, runBlock } from "./harness/doc-page.ts";
import { brokerAddress, eventually, freePort, freshDatabase, redisUrl, temporaryFolder } from "./harness/servers.ts";

const PAGE = "docs/build/existing-app.md";
const repository = join(import.meta.dir, "..");
const UNIT = "/etc/systemd/system/lockstep@.service";
const context: WriteContext = {
  actor: "somebody@example.org",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

/** A machine of the page: its folders below one folder, its addresses those of the test. */
class Machine implements AsyncDisposable {
  readonly namespace = `app-${Bun.randomUUIDv7().slice(-8)}`;
  private readonly services: { readonly kill: (signal: "SIGKILL") => void; readonly exited: Promise<number> }[] = [];

  private constructor(
    readonly source: string,
    readonly replica: string,
    readonly brokers: string,
    private readonly options: PageOptions,
  ) {}

  static async create(source: string): Promise<Machine> {
    const folder = temporaryFolder("existing-app");
    const [replica, brokers, redis] = await Promise.all([freshDatabase(), brokerAddress(), redisUrl()]);
    const ports = { 9101: await freePort(), 9102: await freePort(), 9103: await freePort() };
    const bin = programFolder(join(folder, "bin"));
    writeFileSync(join(bin, "lockstep"), `#!/bin/sh\nexec bun ${repository}/lockstep.ts "$@"\n`, { mode: 0o755 });
    let namespace = "";
    const adapt = (text: string) =>
      Object.entries(ports)
        .reduce((changed, [port, free]) => changed.replaceAll(port, String(free)), text)
        .replace(/(?<![\w.])\/(opt|etc)\//g, `${folder}/$1/`)
        .replaceAll("/usr/local/bin/", `${bin}/`)
        .replaceAll('namespace: "library"', `namespace: "${namespace}"`)
        .replaceAll("postgres://lockstep:secret@db.example:5432/library", source)
        .replaceAll("postgres://lockstep:secret@reporting-db.example:5432/reporting", replica)
        .replaceAll("broker.example:9092", brokers)
        .replaceAll("redis://redis.example:6379", redis);
    const machine = new Machine(source, replica, brokers, {
      folder,
      adapt,
      env: { PATH: `${bin}:${process.env.PATH}`, LOCKSTEP_CANARY_EVERY_S: "0", LOCKSTEP_DRAIN_MS: "0" },
    });
    namespace = machine.namespace;
    return machine;
  }

  /** Runs the blocks of the page, and starts the services where the page does. @returns the names of the units. */
  async follow(): Promise<void> {
    let output = "";
    for (const block of blocksOf(PAGE)) {
      if (block.language === "console") await this.startServices(block.text);
      else if (block.where !== "compose.yaml") output = await runBlock(block, output, this.options);
    }
  }

  /** Starts each unit that the command enables, by its ExecStart and its files of settings, as systemd does. */
  private async startServices(command: string): Promise<void> {
    const { adapt, folder, env } = this.options;
    const unit = readFileSync(join(folder, UNIT), "utf8");
    for (const [, name] of command.matchAll(/lockstep@(\w+)/g)) {
      const of = (key: string) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value]) => value!);
      const variables = of("EnvironmentFile").flatMap((file) => variablesOf(file.replaceAll("%i", name!)));
      const values = Object.fromEntries(variables);
      const words = of("ExecStart")[0]!.split(" ");
      const child = Bun.spawn(
        words.flatMap((word) => (word === "$SERVICE" ? values.SERVICE!.split(" ") : word)),
        { cwd: of("WorkingDirectory")[0]!, env: { ...env, ...values }, stdout: "ignore", stderr: "ignore" },
      );
      this.services.push(child);
      const url = adapt(`http://127.0.0.1:${values.PORT}/health/ready`);
      await eventually(async () => (await fetch(url)).ok, { timeoutMs: 60_000, what: `${name} to be ready` });
    }
  }

  /** Runs a command of Lockstep in the project. @returns its output. */
  lockstep(...args: string[]): Promise<string> {
    const text = `cd /opt/library && set -a && . /etc/lockstep/common.env && set +a && lockstep ${args.join(" ")}`;
    return runBlock({ language: "sh", where: "", text, at: "test" }, "", this.options);
  }

  /** Names of the adopted entities' collections. */
  plurals(): string[] {
    const files = readdirSync(join(this.options.folder, "opt/library/migrations/source"));
    return files.map((file) => file.replace(/^\d+-capture-|\.sql$/g, ""));
  }

  /** Headers of all events. */
  async headers(): Promise<Record<string, string>[]> {
    const log = await connectLog({
      brokers: [this.brokers],
      clientId: "test",
      logger: createLogger("test", "1", "silent"),
    });
    const found: Record<string, string>[] = [];
    try {
      for (const plural of this.plurals()) {
        const topic = `${this.namespace}.${plural}.events`;
        for (const [partition, { first, next }] of await log.offsets(topic))
          for await (const batch of log.read({ topic, partition }, first, next))
            found.push(...batch.map(({ headers }) => headers as Record<string, string>));
      }
    } finally {
      await log.close();
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.services) service.kill("SIGKILL");
    await Promise.all(this.services.map(({ exited }) => exited));
  }
}

const variablesOf = (file: string): [string, string][] =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.includes("="))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);

/** The application's rows are in the replica, and the events say who wrote them, and in which trace. */
async function checkCopies(machine: Machine, tables: Record<string, string[]>): Promise<void> {
  expect(await machine.lockstep("verify", "--within", "60")).not.toContain("differs");
  for (const [table, key] of Object.entries(tables)) {
    const { sourceRows, count, differences } = await compareTable(machine.source, machine.replica, {
      source: table,
      replica: table.split(".").at(-1)!,
      key,
    });
    expect({ table, differences }).toEqual({ table, differences: [] });
    expect({ table, count, hasRows: sourceRows > 0 }).toEqual({ table, count: 0, hasRows: true });
  }
  const events = await machine.headers();
  const withActor = events.filter((headers) => headers[header.actor] === context.actor);
  expect(withActor.length).toBeGreaterThan(20);
  const traceId = context.traceparent.split("-")[1]!;
  expect(withActor.filter((headers) => !headers[header.traceparent]?.includes(traceId)).slice(0, 3)).toEqual([]);
  // The last write of each application has neither.
  expect(events.some((headers) => headers[header.actor] === undefined)).toBe(true);
}

describe("an application without the gateway", () => {
  test("a library on Drizzle, adopted by the blocks of the page", async () => {
    const url = await freshDatabase();
    const app = new LibraryApp(url);
    await app.migrate();
    await using machine = await Machine.create(url);
    await machine.follow();
    await app.workingDay(context);
    await app.close();
    await checkCopies(machine, {
      "library.members": ["id"],
      "library.books": ["isbn"],
      "library.loans": ["member_id", "isbn", "lent_on"],
    });
  }, 300_000);

  test("a bookshop on Django, adopted by the blocks of the page", async () => {
    const url = await freshDatabase();
    const app = await BookshopApp.open(url);
    await app.migrate();
    await using machine = await Machine.create(url);
    await machine.follow();
    await app.workingDay(context);
    await checkCopies(machine, {
      "public.orders_publisher": ["code"],
      "public.orders_book": ["id"],
      "public.orders_order": ["id"],
      "public.orders_orderline": ["order_id", "number"],
    });
  }, 300_000);
});

const textOf = (where: string): string => blocksOf(PAGE).find((block) => block.where === where)!.text;
const isSetting = (name: string) => name === "SERVICE" || Object.hasOwn(settings, name);

test("the files of the page name existing settings and services", () => {
  const files = blocksOf(PAGE).filter(({ where }) => where.endsWith(".env"));
  const names = files.flatMap(({ text }) => [...text.matchAll(/^(\w+)=/gm)].map(([, name]) => name!));
  expect(names.filter((name) => !isSetting(name))).toEqual([]);
  const { services } = Bun.YAML.parse(textOf("compose.yaml")) as {
    services: Record<string, { image: string; command: string[]; environment?: Record<string, string> }>;
  };
  const own = Object.entries(services).filter(([, { image }]) => image.startsWith("lockstep:"));
  expect(own.map(([name, { command }]) => `${name}: ${command.join(" ")}`)).toEqual([
    ...["relay: relay", "stream: stream", "reporting: replica reporting"],
  ]);
  const variables = own.flatMap(([, { environment }]) => Object.keys(environment ?? {}));
  expect(variables.filter((name) => !isSetting(name))).toEqual([]);
});

test.skipIf(!Bun.which("systemd-analyze"))("the unit is valid for systemd", async () => {
  const folder = temporaryFolder("unit");
  const program = join(folder, "lockstep");
  writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
  mkdirSync(join(folder, "units"));
  const file = join(folder, "units/lockstep@relay.service");
  writeFileSync(file, textOf(UNIT).replaceAll("/usr/local/bin/lockstep", program));
  const child = Bun.spawn(["systemd-analyze", "verify", "--man=no", file], { stdout: "pipe", stderr: "pipe" });
  const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  expect(output.split("\n").filter((line) => line.includes("lockstep@"))).toEqual([]);
});
