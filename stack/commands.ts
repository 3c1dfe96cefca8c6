/** The command line of `bun run up`, `down` and `status`. */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { replicaNames } from "../contracts/entities/index.ts";
import { UserError } from "../contracts/errors.ts";
import { upDetached } from "./detach.ts";
import { down } from "./down.ts";
import { DEFAULT_DATA, DEFAULT_PORT_BASE, readOptions, type UpFlags } from "./options.ts";
import { databaseOwners, serviceNames } from "./plan.ts";
import { restart } from "./restart.ts";
import { launchersOf, listenForEnd } from "./signals.ts";
import { stackStatus, statusText } from "./status.ts";
import { refuseSecond, runStack } from "./up.ts";

const say = (line: string): void => console.log(line);

/** Ended by Ctrl-C before it was ready: 128 + SIGINT. */
const GIVEN_UP = 130;

type Flags = UpFlags & { readonly background?: boolean; readonly askedAt?: string };

async function up(flags: Flags, args: readonly string[]): Promise<number> {
  const options = readOptions(flags, process.env, {
    services: serviceNames(replicaNames),
    owners: databaseOwners(replicaNames),
  });
  const askedAt = Number(flags.askedAt ?? Math.round(performance.timeOrigin));
  const background = flags.background ?? false;
  const { ending, killing, mistake } = listenForEnd(background ? [] : launchersOf(process.env));
  if (options.detach && !background) {
    refuseSecond(options.data);
    return upDetached(options.data, [...args, "--background", "--asked-at", String(askedAt)], ending);
  }
  try {
    await runStack(options, { env: process.env, say, askedAt, ending, killing });
  } catch (error) {
    if (!ending.aborted) throw error;
    if (mistake() === undefined) return GIVEN_UP;
  }
  if (mistake() !== undefined) throw mistake();
  return 0;
}

async function status({ data, json }: { data: string; json?: boolean }): Promise<number> {
  const found = await stackStatus(resolve(data));
  console.log(json ? JSON.stringify(found, null, 2) : statusText(found, data));
  return found.ready ? 0 : 1;
}

/** Passed on by `--detach`; nobody else's business. */
const hidden = (flags: string): Option => new Option(flags).hideHelp();

/** What the background process is told: the same command line. */
const rawArguments = (): string[] => process.argv.slice(3);

const dataFlag = ["--data <dir>", "folder that holds everything the stack keeps", DEFAULT_DATA] as const;

function program(finish: (status: number) => void): Command {
  const root = new Command("lockstep-stack").description("Runs all of Lockstep on this machine.").showHelpAfterError();
  const replicas = replicaNames.join(", ");
  root
    .command("up")
    .description(`starts everything: PostgreSQL, broker, Redis, gateway, relay, stream, replicas (${replicas})`)
    .option(...dataFlag)
    .option("--fresh", "remove the stack's data first")
    .option("--detach", "return when it is ready, and leave it running")
    .option("--port-base <n>", "first port; the others follow from it", String(DEFAULT_PORT_BASE))
    .option("--instances <list>", "more than one of a service: stream=2,catalog=2")
    .option("--brokers <n>", "1, or 3 with replication 3 and at least 2 in sync (default: 1)")
    .option("--partitions <n>", "partitions of each topic, when it is created")
    .option("--auth", "gateway and console ask for a token; `bun run lockstep token` makes one")
    .option("--observe", "with Jaeger, Prometheus, and Grafana where it is on the PATH, beside it")
    .addOption(hidden("--background"))
    .addOption(hidden("--asked-at <ms>"))
    .action(async (flags: Flags) => finish(await up(flags, rawArguments())));
  root
    .command("down")
    .description("stops the stack and keeps its data")
    .option(...dataFlag)
    .action(async ({ data }: { data: string }) => {
      await down(resolve(data), say);
      finish(0);
    });
  root
    .command("restart")
    .description("restarts each service, or those that are named, one instance after the other")
    .argument("[names...]", "gateway, relay, stream, console, or a replica")
    .option(...dataFlag)
    .option("--json", "how long each took, as JSON")
    .action(async (names: string[], { data, json }: { data: string; json?: boolean }) => {
      const done = await restart(resolve(data), names, json ? () => {} : say);
      if (json) console.log(JSON.stringify(done, null, 2));
      finish(0);
    });
  root
    .command("status")
    .description("tells each process and server with its pid, url and health; exit status 0 when all is ready")
    .option(...dataFlag)
    .option("--json", "as JSON")
    .action(async (flags: { data: string; json?: boolean }) => finish(await status(flags)));
  return root;
}

/** Runs the command that the process was started with, and ends the process. */
export async function runCommand(): Promise<void> {
  // A reader that went away (`bun run up | head`) is no reason to drop the stack.
  process.stdout.on("error", () => {});
  try {
    await program((code) => process.exit(code)).parseAsync();
  } catch (error) {
    console.error(`lockstep: ${explain(error)}`);
    process.exit(1);
  }
}

/** Anything but a failure comes with its stack, since it is a mistake of ours. */
function explain(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
