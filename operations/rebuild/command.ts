/** The command `lockstep rebuild`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import type { LoadRebuild } from "../../pipeline/rebuild.ts";
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
import { rebuildAndCompare } from "./rebuild.ts";
import { notSwitchedText, progressBar, switchedText } from "./report.ts";

interface Flags extends VerbFlags {
  readonly dropOld?: boolean;
  readonly anew?: boolean;
  readonly repair?: boolean;
  readonly verify: boolean;
  readonly within: number;
}

const SECOND = 1_000;

/** `lockstep rebuild`. @param loadRebuild the replicas' part of a rebuild. */
export const rebuildVerb = (loadRebuild: LoadRebuild, project: Project): Command =>
  verb(
    "rebuild",
    "fills new tables of a replica from the log beside the live ones, compares them with the source, and switches to them if they are equal; resumes an interrupted rebuild; exit status 1 when they differ, and the live tables are unchanged",
  )
    .argument("<replica>", `one of: ${project.replicaNames.join(", ")}`, choiceParser("replica", project.replicaNames))
    .option("--drop-old", "only drop the tables that the last rebuild replaced")
    .option("--anew", "start with empty tables instead of resuming an interrupted rebuild")
    .option("--repair", "resend what the new tables lack, and switch when they have it")
    .option("--no-verify", "switch without a comparison with the source")
    .option("--within <seconds>", "how long a committed change may take to reach the log", integerParser(0, 3_600), 60)
    .action(async (replica: string, flags: Flags) =>
      runVerb(project, flags, async (context) => {
        const databaseUrl = context.connections.addresses.replicas.get(replica);
        if (!databaseUrl)
          throw new ConnectionError(
            `the database of replica ${replica} is unknown; add it to LOCKSTEP_REPLICA_DATABASE_URLS`,
          );
        return flags.dropOld
          ? dropOldTables(loadRebuild, databaseUrl)
          : rebuildWith(loadRebuild, context, { name: replica, databaseUrl }, flags);
      }),
    );

async function dropOldTables(loadRebuild: LoadRebuild, databaseUrl: string): Promise<VerbResult> {
  const rebuild = await loadRebuild();
  const dropped = await rebuild.dropOldTables(databaseUrl);
  const text = dropped ? "The old tables are dropped." : "There are no old tables.";
  return { text, document: { dropped }, status: 0 };
}

async function rebuildWith(
  loadRebuild: LoadRebuild,
  { connections, project, signal, progress }: VerbContext,
  replica: { readonly name: string; readonly databaseUrl: string },
  flags: Flags,
): Promise<VerbResult> {
  const { rebuilt, verified } = await rebuildAndCompare(
    loadRebuild,
    { connections, project, signal, progress, onProgress: progressBar(progress) },
    replica,
    {
      compare: flags.verify,
      repair: flags.repair ?? false,
      restart: flags.anew ?? false,
      timeoutMs: flags.within * SECOND,
    },
  );
  const text = rebuilt.switched
    ? switchedText(replica.name, rebuilt, flags.verify)
    : notSwitchedText(replica.name, rebuilt, verified);
  const document = { rebuilt, ...(flags.verify ? { equal: rebuilt.switched, verified } : {}) };
  return { text, document, status: rebuilt.switched ? 0 : 1 };
}
