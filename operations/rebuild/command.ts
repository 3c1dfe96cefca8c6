/** `lockstep rebuild`. What is rebuilt, and how, is the replicas' own; this is the verb around it. */
import type { Command } from "commander";
import { replicaNames } from "../../contracts/entities/index.ts";
import { ConnectionError } from "../connect.ts";
import {
  choiceParser,
  integerParser,
  runVerb,
  type VerbContext,
  type VerbFlags,
  type VerbResult,
  verb,
} from "../verb.ts";
import { type Rebuilding, rebuildAndCompare } from "./rebuild.ts";
import { keptText, progressBar, switchedText } from "./report.ts";

interface Flags extends VerbFlags {
  readonly dropOld?: boolean;
  readonly anew?: boolean;
  readonly repair?: boolean;
  readonly verify: boolean;
  readonly within: number;
}

const SECOND = 1_000;

export const rebuildVerb = (rebuilding: Rebuilding): Command =>
  verb(
    "rebuild",
    "fills a replica's tables anew from the log beside the live ones, compares them with the source, and switches; goes on where it was interrupted; exit status 1 when they differ, and the live ones stay",
  )
    .argument("<replica>", `one of: ${replicaNames.join(", ")}`, choiceParser("replica", replicaNames))
    .option("--drop-old", "only drop the tables of before the last rebuild")
    .option("--anew", "begin with empty tables, whatever an interrupted rebuild has filled")
    .option("--repair", "send once more what the new tables lack, and switch when they have it")
    .option("--no-verify", "do not compare with the source before the switch")
    .option(
      "--within <seconds>",
      "how long what was just committed may take to reach the log",
      integerParser(0, 3_600),
      60,
    )
    .action(async (name: string, flags: Flags) =>
      runVerb(flags, async (context) => {
        const databaseUrl = context.connections.addresses.replicas.get(name);
        if (!databaseUrl)
          throw new ConnectionError(`LOCKSTEP_REPLICA_DATABASE_URLS does not say where the database of ${name} is`);
        return flags.dropOld
          ? dropOldTables(rebuilding, databaseUrl)
          : rebuildAs(rebuilding, context, name, databaseUrl, flags);
      }),
    );

async function dropOldTables({ dropOld }: Rebuilding, databaseUrl: string): Promise<VerbResult> {
  const dropped = await dropOld(databaseUrl);
  const text = dropped ? "the old tables are gone" : "there are no old tables";
  return { text, document: { dropped }, status: 0 };
}

async function rebuildAs(
  rebuilding: Rebuilding,
  context: VerbContext,
  name: string,
  databaseUrl: string,
  flags: Flags,
): Promise<VerbResult> {
  const { connections, signal, progress } = context;
  const onProgress = progressBar(progress);
  const { rebuilt, verified } = await rebuildAndCompare(
    rebuilding,
    { connections, signal, progress, onProgress },
    { name, databaseUrl },
    {
      compare: flags.verify,
      repair: flags.repair ?? false,
      anew: flags.anew ?? false,
      timeoutMs: flags.within * SECOND,
    },
  );
  const text = rebuilt.switched ? switchedText(name, rebuilt, flags.verify) : keptText(name, rebuilt, verified);
  const document = { rebuilt, ...(flags.verify ? { equal: rebuilt.switched, verified } : {}) };
  return { text, document, status: rebuilt.switched ? 0 : 1 };
}
