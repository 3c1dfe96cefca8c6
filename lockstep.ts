#!/usr/bin/env bun
/** The command line: one command per service (`lockstep gateway`) and per operation (`lockstep verify`). */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { Command } from "commander";
import { defineProject } from "./contracts/project.ts";
import { verbs } from "./operations/index.ts";
import type { LoadRebuild } from "./pipeline/rebuild.ts";
import type { LoadSourceMigrations } from "./pipeline/source-migrations.ts";
import { tokenCommand } from "./platform/auth/token-command.ts";
import { loadProject, PROJECT_FILE, ProjectFileError, projectFileOf } from "./platform/project-file.ts";
import { runService } from "./platform/run.ts";
import { printableSettings } from "./platform/settings/print.ts";
import { readSettings, SettingsError } from "./platform/settings/settings.ts";
import { VERSION } from "./platform/version.ts";

const program = new Command("lockstep")
  .description("Keeps the databases of different services in step through messaging")
  .version(VERSION)
  .option("--config <file>", `file of the project; default: LOCKSTEP_CONFIG, else ${PROJECT_FILE} in this folder`)
  .showHelpAfterError();

// The names of entities and replicas are in the help texts, so the project is loaded before the command line is parsed.
const { values, positionals } = parseArgs({ options: { config: { type: "string" } }, strict: false });
const config = typeof values.config === "string" ? values.config : undefined;
const loaded = await loadProject(config).catch((error) => {
  if (!(error instanceof ProjectFileError)) throw error;
  return error;
});
// Without a project, commands that need one end before their arguments are parsed.
const project = loaded instanceof ProjectFileError ? defineProject({ entities: [] }) : loaded;
const replicaList = project.replicaNames.join(", ");

/** Commands that need no project. */
const WITHOUT_PROJECT = ["health", "print-config", "token", "help", "init", "down", "stack"];
const isHelp = ["--help", "-h"].some((flag) => process.argv.includes(flag));

/** `adopt` writes a project's file where there is none. */
const needsProject = (command: string): boolean =>
  !WITHOUT_PROJECT.includes(command) && !(command === "adopt" && !existsSync(projectFileOf(config)));

program.hook("preSubcommand", (_, command) => {
  if (loaded instanceof ProjectFileError && !isHelp && needsProject(command.name()))
    exitWith(`lockstep: ${loaded.message}`);
});

/** Ends with the exit status of a wrong argument or setting. */
function exitWith(message: string): never {
  console.error(message);
  process.exit(2);
}

// Rooms do not import each other: the commands and the console get the replicas' part of a rebuild, and the gateway's
// migrations, from here.
const loadRebuild: LoadRebuild = () => import("./replicas/catch-up/rebuild/index.ts");
const loadMigrations: LoadSourceMigrations = () => import("./gateway/migrations/index.ts");

program
  .command("gateway")
  .description("runs the gateway: the HTTP API of the source, with an outbox that captures every change")
  .action(async () => {
    const { startGateway } = await import("./gateway/main.ts");
    await runService("gateway", project, startGateway);
  });

program
  .command("relay")
  .description("runs the relay: publishes the outbox to the log; one instance leads, the others stand by")
  .action(async () => {
    const { startRelay } = await import("./relay/main.ts");
    const { sourceMigrations } = await import("./gateway/migrations/index.ts");
    await runService("relay", project, (deps) => startRelay(deps, sourceMigrations(project)));
  });

program
  .command("stream")
  .description("runs the stream: validates and deduplicates events, and routes them to the replicas' topics")
  .action(async () => {
    const { startStream } = await import("./stream/main.ts");
    await runService("stream", project, startStream);
  });

program
  .command("replica")
  .description("runs a replica: applies its topic to its PostgreSQL and cache, and serves reads")
  .argument("<name>", `name of the replica: ${replicaList}`)
  .action(async (name: string) => {
    if (!project.replicaNames.includes(name))
      program.error(`unknown replica ${name}; the replicas are: ${replicaList}`);
    const { startReplica } = await import("./replicas/main.ts");
    await runService(`replica-${name}`, project, (deps) => startReplica(deps, name));
  });

program
  .command("console")
  .description(
    "runs the console: a web page with the state of the system and traces of writes; verifies all replicas periodically",
  )
  .action(async () => {
    const { startConsole } = await import("./console/main.ts");
    await runService("console", project, (deps) => startConsole(deps, loadRebuild));
  });

program
  .command("health")
  .description(
    "checks the health of the service that runs here with these settings; exit status 0 if it is ready, else 1",
  )
  .option("--live", "checks only that the process responds")
  .action(async ({ live }: { live?: true }) => {
    const { askHealth } = await import("./platform/http/ask-health.ts");
    process.exit(await askHealth(process.env, live ? "live" : "ready"));
  });

program
  .command("print-config")
  .description("prints all settings as JSON, with secrets hidden; exit status 2 if one is wrong")
  .action(() => {
    try {
      console.log(JSON.stringify(printableSettings(readSettings(process.env)), null, 2));
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      program.error(error.message, { exitCode: 2 });
    }
  });

const print = (document: object) => console.log(JSON.stringify(document, null, 2));

program
  .command("openapi")
  .description(
    "prints the OpenAPI 3.1 description of a service's HTTP API, which the service also serves at /openapi.json",
  )
  .argument("<service>", `gateway, or the name of a replica: ${replicaList}`)
  .action(async (name: string) => {
    if (name === "gateway") return print((await import("./gateway/openapi/document.ts")).gatewayOpenApi(project));
    if (!project.replicaNames.includes(name)) program.error(`unknown service ${name}; choose gateway, ${replicaList}`);
    print((await import("./replicas/reads/openapi.ts")).replicaOpenApi(project, name));
  });

program
  .command("asyncapi")
  .description("prints the AsyncAPI 3.0 description of all topics and their messages")
  .action(async () => print((await import("./contracts/asyncapi/document.ts")).asyncApi(project, VERSION)));

program
  .command("broker-rights")
  .description(
    "prints the least rights of each service at brokers with authorization, as arguments of Kafka's tool kafka-acls",
  )
  .option(
    "--user-prefix <text>",
    "prefix of the user names at the brokers; the name of the service follows",
    "lockstep-",
  )
  .option("--json", "prints JSON instead")
  .action(async ({ userPrefix, json }: { userPrefix: string; json?: true }) => {
    const { aclArguments, brokerUsers } = await import("./contracts/broker-rights.ts");
    if (json) return print(brokerUsers(project));
    for (const { name, rights } of brokerUsers(project))
      for (const right of rights) console.log(aclArguments(`User:${userPrefix}${name}`, right).join(" "));
  });

// The stack's code is loaded only for its own commands: it would make each start of a service slower.
if (isHelp || positionals.length === 0 || ["help", "up", "down", "stack"].includes(positionals[0] as string)) {
  const { downCommand, stackCommand, upCommand } = await import("./stack/commands.ts");
  for (const command of [upCommand(), downCommand(), stackCommand()]) program.addCommand(command);
}
if (isHelp || positionals[0] === undefined || positionals[0] === "init")
  program.addCommand((await import("./init/command.ts")).initCommand());
if (isHelp || positionals[0] === undefined || ["help", "generate", "new"].includes(positionals[0])) {
  program.addCommand((await import("./init/generate-command.ts")).generateCommand(project));
  program.addCommand((await import("./init/new-command.ts")).newCommand(project));
}
program.addCommand(tokenCommand());
for (const verb of verbs(loadRebuild, project, loadMigrations)) program.addCommand(verb);

await program.parseAsync();
