#!/usr/bin/env bun
/** Every service and verb by name: `lockstep gateway`, `lockstep stream`, … Nothing else happens here. */
import { Command } from "commander";
import { replicaNames } from "./contracts/entities/index.ts";
import { verbs } from "./operations/index.ts";
import type { LoadRebuild } from "./pipeline/rebuild.ts";
import { tokenCommand } from "./platform/auth/token-command.ts";
import { runService } from "./platform/run.ts";
import { printableSettings } from "./platform/settings/print.ts";
import { readSettings, SettingsError } from "./platform/settings/settings.ts";
import { VERSION } from "./platform/version.ts";

const program = new Command("lockstep")
  .description("Keeps the databases of different services in step through messaging.")
  .version(VERSION)
  .showHelpAfterError();

// Rooms do not import each other: the commands and the console get the replicas' part of a rebuild from here.
const loadRebuild: LoadRebuild = () => import("./replicas/catch-up/rebuild/index.ts");

program
  .command("gateway")
  .description("HTTP API over the source's PostgreSQL; captures every change in an outbox")
  .action(async () => {
    const { startGateway } = await import("./gateway/main.ts");
    await runService("gateway", startGateway);
  });

program
  .command("relay")
  .description("publishes the outbox to the log; one leads, others stand by")
  .action(async () => {
    const { startRelay } = await import("./relay/main.ts");
    const { migrations } = await import("./gateway/migrations/index.ts");
    await runService("relay", (deps) => startRelay(deps, migrations));
  });

program
  .command("stream")
  .description("validates, dedupes and routes events to each replica's topic")
  .action(async () => {
    const { startStream } = await import("./stream/main.ts");
    await runService("stream", startStream);
  });

program
  .command("replica")
  .description("keeps one replica's PostgreSQL and cache in step, and answers reads")
  .argument("<name>", `one of: ${replicaNames.join(", ")}`)
  .action(async (name: string) => {
    if (!replicaNames.includes(name))
      program.error(`there is no replica ${name}; declared are: ${replicaNames.join(", ")}`);
    const { startReplica } = await import("./replicas/main.ts");
    await runService(`replica-${name}`, (running) => startReplica(running, name));
  });

program
  .command("console")
  .description("a page that shows how everything is and follows single writes; verifies by itself at a set pace")
  .action(async () => {
    const { startConsole } = await import("./console/main.ts");
    await runService("console", (running) => startConsole(running, loadRebuild));
  });

program
  .command("health")
  .description("asks the service that runs here with these settings whether it is ready: 0 when it is, else 1")
  .option("--live", "only whether it runs")
  .action(async ({ live }: { live?: true }) => {
    const { askHealth } = await import("./platform/http/ask-health.ts");
    process.exit(await askHealth(process.env, live ? "live" : "ready"));
  });

program
  .command("print-config")
  .description("prints every setting as a service would see it, secrets hidden")
  .action(() => {
    try {
      console.log(JSON.stringify(printableSettings(readSettings(process.env)), null, 2));
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      program.error(error.message, { exitCode: 2 });
    }
  });

const described = (document: object) => console.log(JSON.stringify(document, null, 2));

program
  .command("openapi")
  .description("prints the description of a service's HTTP API (OpenAPI 3.1), as the service has it at /openapi.json")
  .argument("<service>", `gateway, or a replica: ${replicaNames.join(", ")}`)
  .action(async (name: string) => {
    if (name === "gateway") return described((await import("./gateway/openapi/document.ts")).gatewayOpenApi());
    if (!replicaNames.includes(name)) program.error(`there is no gateway or replica ${name}`);
    described((await import("./replicas/reads/openapi.ts")).replicaOpenApi(name));
  });

program
  .command("asyncapi")
  .description("prints the description of every topic and its messages (AsyncAPI 3.0)")
  .action(async () => described((await import("./contracts/asyncapi/document.ts")).asyncApi(VERSION)));

program
  .command("broker-rights")
  .description("prints what each part may do at brokers that ask who comes, as arguments of Kafka's tool kafka-acls")
  .option("--user-prefix <text>", "what the brokers' users are called before the name of the part", "lockstep-")
  .option("--json", "the same as JSON")
  .action(async ({ userPrefix, json }: { userPrefix: string; json?: true }) => {
    const { aclArguments, brokerUsers } = await import("./contracts/broker-rights.ts");
    if (json) return described(brokerUsers());
    for (const { name, rights } of brokerUsers())
      for (const right of rights) console.log(aclArguments(`User:${userPrefix}${name}`, right).join(" "));
  });

program.addCommand(tokenCommand());
for (const verb of verbs(loadRebuild)) program.addCommand(verb);

await program.parseAsync();
