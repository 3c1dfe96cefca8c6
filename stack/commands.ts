/** The commands `up`, `down`, `restart`, `stop`, `start` and `status`: of `bun run`, and of `lockstep stack`. */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { loadProject, projectFileOf } from "../platform/project-file.ts";
import { upDetached } from "./detach.ts";
import { down } from "./down.ts";
import { errorText } from "./error-text.ts";
import { startProcesses, stopProcesses } from "./hold.ts";
import { DEFAULT_DATA, DEFAULT_PORT_BASE, readOptions, type UpFlags } from "./options.ts";
import { databaseOwners, serviceNames } from "./plan.ts";
import { commandText } from "./program.ts";
import { restart } from "./restart.ts";
import { launchersOf, listenForShutdown } from "./signals.ts";
import { stackStatus, statusText } from "./status.ts";
import { requireNotRunning, runStack } from "./up.ts";

const print = (line: string): void => console.log(line);

/** Exit status when a signal stops `up` before the stack is ready: 128 + SIGINT. */
const INTERRUPTED = 130;

type Flags = UpFlags & { readonly config?: string; readonly background?: boolean; readonly requestedAt?: string };

/** @param args the arguments of this process: the background process gets them too. */
async function up(flags: Flags, args: readonly string[]): Promise<number> {
  const project = await loadProject(flags.config);
  const { replicaNames } = project;
  const options = readOptions(flags, process.env, {
    services: serviceNames(replicaNames),
    owners: databaseOwners(replicaNames),
  });
  const requestedAtMs = Number(flags.requestedAt ?? Math.round(performance.timeOrigin));
  const background = flags.background ?? false;
  const { stopSignal, killSignal, uncaughtError } = listenForShutdown(background ? [] : launchersOf(process.env));
  if (options.detach && !background) {
    requireNotRunning(options.data);
    return upDetached(options.data, [...args, "--background", "--requested-at", String(requestedAtMs)], stopSignal);
  }
  try {
    // The services load the same project.
    const env = { ...process.env, LOCKSTEP_CONFIG: projectFileOf(flags.config) };
    await runStack(options, { env, project, print, requestedAtMs, stopSignal, killSignal });
  } catch (error) {
    if (!stopSignal.aborted) throw error;
    if (uncaughtError() === undefined) return INTERRUPTED;
  }
  if (uncaughtError() !== undefined) throw uncaughtError();
  return 0;
}

interface StatusFlags {
  readonly data: string;
  readonly json?: boolean;
  readonly showSecrets?: boolean;
}

async function status({ data, json, showSecrets }: StatusFlags): Promise<number> {
  const stack = await stackStatus(resolve(data));
  console.log(json ? JSON.stringify(stack, null, 2) : statusText(stack, data, showSecrets));
  return stack.ready ? 0 : 1;
}

/** A flag that `--detach` passes to the background process, or that chaos uses; it is not for users. */
const hidden = (flags: string): Option => new Option(flags).hideHelp();

const processNames = `as ${commandText("status")} shows them: stream, "stream 2", catalog-db, "broker 3", redis`;
const dataFlag = ["--data <dir>", "folder that holds all data of the stack", DEFAULT_DATA] as const;

/** Makes an action that ends the process: with the status that it returns, else 0, or 1 and a line for an error. */
const ending =
  <Args extends readonly unknown[]>(action: (...args: Args) => Promise<unknown>) =>
  async (...args: Args): Promise<void> => {
    // A closed standard output (`bun run up | head`) does not stop the stack.
    process.stdout.on("error", () => {});
    try {
      const status = await action(...args);
      process.exit(typeof status === "number" ? status : 0);
    } catch (error) {
      console.error(`lockstep: ${errorText(error)}`);
      process.exit(1);
    }
  };

/** The command `up`. */
export const upCommand = (): Command =>
  new Command("up")
    .description("starts everything: PostgreSQL, broker, Redis, gateway, relay, stream, replicas, console")
    .option(...dataFlag)
    .option("--config <file>", "file of the project (default: LOCKSTEP_CONFIG, else lockstep.config.ts)")
    .option("--fresh", "remove the stack's data first")
    .option("--detach", "return when the stack is ready, and leave it running")
    .option("--port-base <n>", "first port; the others follow from it", String(DEFAULT_PORT_BASE))
    .option("--instances <list>", "number of instances of a service: stream=2,catalog=2 (default: 1 each)")
    .option("--brokers <n>", "1, or 3 with replication factor 3 and 2 in-sync replicas (default: 1)")
    .option("--partitions <n>", "partitions of each topic when it is created")
    .option("--auth", "require tokens at gateway and console; `lockstep token` creates one")
    .option("--observe", "also start Jaeger, Prometheus, and Grafana if it is on the PATH")
    .addOption(hidden("--proxies <file>"))
    .addOption(hidden("--background"))
    .addOption(hidden("--requested-at <ms>"))
    // `lockstep` has an option --config too, and takes it from any place in the command line.
    .action(ending((_: Flags, command: Command) => up(command.optsWithGlobals<Flags>(), process.argv.slice(2))));

/** The command `down`. */
export const downCommand = (): Command =>
  new Command("down")
    .description("stops the stack and keeps its data")
    .option(...dataFlag)
    .action(ending(({ data }: { data: string }) => down(resolve(data), print)));

const restartCommand = (): Command =>
  new Command("restart")
    .description("restarts all services, or the named ones, one instance after the other")
    .argument("[names...]", "gateway, relay, stream, console, or a replica")
    .option(...dataFlag)
    .option("--json", "print the times of each restart as JSON")
    .action(
      ending(async (names: string[], { data, json }: { data: string; json?: boolean }) => {
        const results = await restart(resolve(data), names, json ? () => {} : print);
        if (json) console.log(JSON.stringify(results, null, 2));
      }),
    );

const stopCommand = (): Command =>
  new Command("stop")
    .description(`stops processes or servers, and keeps them stopped until ${commandText("start")}`)
    .argument("<names...>", processNames)
    .option(...dataFlag)
    .action(ending((names: string[], { data }: { data: string }) => stopProcesses(resolve(data), names, print)));

const startCommand = (): Command =>
  new Command("start")
    .description(`starts processes or servers that ${commandText("stop")} has stopped`)
    .argument("<names...>", processNames)
    .option(...dataFlag)
    .action(ending((names: string[], { data }: { data: string }) => startProcesses(resolve(data), names, print)));

const statusCommand = (): Command =>
  new Command("status")
    .description("lists each process and server with its pid, URL and health; exit status 0 when all are ready")
    .option(...dataFlag)
    .option("--json", "print the status as JSON, with usable URLs: they contain passwords")
    .option("--show-secrets", "show the passwords in URLs, which the table masks as ***")
    .action(ending((flags: StatusFlags) => status(flags)));

/** The command `stack`, with all commands of this file. */
export function stackCommand(): Command {
  const stack = new Command("stack")
    .description("the commands of a stack on this machine: up, down, restart, stop, start, status")
    .showHelpAfterError();
  for (const make of [upCommand, downCommand, restartCommand, stopCommand, startCommand, statusCommand])
    stack.addCommand(make());
  return stack;
}
