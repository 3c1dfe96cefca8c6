/** `lockstep rebuild`. What is rebuilt, and how, is the replicas' own; this is the verb around it. */
import type { Command } from "commander";
import { replicaNames } from "../../contracts/entities/index.ts";
import type { Log } from "../../platform/log/log.ts";
import { CannotConnectError } from "../connect.ts";
import { oneOf, runVerb, type VerbFlags, verb } from "../verb.ts";
import { differencesText, verifiedText } from "../verify/report.ts";
import { verifyScope } from "../verify/scope.ts";

/** What the replicas' room offers. */
export interface Rebuilding {
  rebuild(
    name: string,
    using: {
      databaseUrl: string;
      log: Log;
      signal: AbortSignal;
      onProgress: (progress: { done: number; total: number }) => void;
    },
  ): Promise<{ records: number; rows: number; seconds: number; resumedAt: number; refused: number }>;
  /** @returns whether there was anything to drop. */
  dropOld(databaseUrl: string): Promise<boolean>;
}

interface Flags extends VerbFlags {
  readonly dropOld?: boolean;
  readonly verify: boolean;
}

const SECOND = 1_000;

export const rebuildVerb = ({ rebuild, dropOld }: Rebuilding): Command =>
  verb(
    "rebuild",
    "fills a replica's tables anew from the log beside the live ones, verifies and switches; goes on where it was interrupted",
  )
    .argument("<replica>", `one of: ${replicaNames.join(", ")}`, oneOf("replica", replicaNames))
    .option("--drop-old", "only drop the tables of before the last rebuild")
    .option("--no-verify", "do not compare with the source afterwards")
    .action(async (name: string, flags: Flags) =>
      runVerb(flags, async (context) => {
        const { connections, progress, say, signal } = context;
        const databaseUrl = connections.addresses.replicas.get(name);
        if (!databaseUrl)
          throw new CannotConnectError(`LOCKSTEP_REPLICA_DATABASE_URLS does not say where the database of ${name} is`);
        if (flags.dropOld) {
          const dropped = await dropOld(databaseUrl);
          return {
            text: dropped ? "the old tables are gone" : "there are no old tables",
            document: { dropped },
            status: 0,
          };
        }
        const bar = progressBar(progress);
        const rebuilt = await rebuild(name, { databaseUrl, log: await connections.log(), signal, onProgress: bar });
        const rate = Math.round((rebuilt.records - rebuilt.resumedAt) / rebuilt.seconds);
        const done = `${name} is rebuilt: ${rebuilt.rows} rows from ${rebuilt.records} records in ${rebuilt.seconds.toFixed(1)} s (${rate} records/s). The old tables are kept in schema lockstep_old; drop them with --drop-old${rebuilt.refused > 0 ? `. The table refused ${rebuilt.refused} entities: lockstep dead-letters list --replica ${name}` : ""}`;
        if (!flags.verify) return { text: done, document: { rebuilt }, status: 0 };
        say(done);
        const verified = await verifyScope(context, { replica: name, cache: true, share: 1, within: 60 });
        const differ = verified.some(({ differences, behind }) => differences.length > 0 || behind);
        const text = [verifiedText(verified), ...verified.map(differencesText)].filter(Boolean).join("\n");
        return { text, document: { rebuilt, equal: !differ, verified }, status: differ ? 1 : 0 };
      }),
    );

/** Done of total, rate and time left, told at most ten times a second. */
function progressBar(progress: (line: string) => void): (now: { done: number; total: number }) => void {
  const start = performance.now();
  let first: number | undefined;
  let told = 0;
  return ({ done, total }) => {
    first ??= done;
    const now = performance.now();
    if (now - told < SECOND / 10) return;
    told = now;
    const rate = ((done - first) / (now - start)) * SECOND;
    const left = rate > 0 ? `, ${Math.ceil((total - done) / rate)} s left` : "";
    const width = 24;
    const filled = Math.round((done / Math.max(1, total)) * width);
    progress(
      `[${"#".repeat(filled)}${".".repeat(width - filled)}] ${done} of ${total} records, ${Math.round(rate)}/s${left}`,
    );
  };
}
