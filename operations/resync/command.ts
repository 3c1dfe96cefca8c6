/** `lockstep resync`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { choiceParser, entityParser, integerParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { differenceLine } from "../verify/report.ts";
import { type VerifyResult, verdictOf } from "../verify/verify.ts";
import { type ResyncResult, type ResyncScope, resync } from "./resync.ts";

/** The command `resync`. */
export const resyncVerb = (project: Project): Command =>
  verb(
    "resync",
    "makes log and replicas complete again after the log has lost records: creates missing topics, sends every row of the source again, removes what the source does not have, and compares; continues where it was interrupted; exit status 1 when a replica still differs, 3 when one could not be compared",
  )
    .option(
      "--replica <name>",
      "compare only this replica; the rows are sent to all",
      choiceParser("replica", project.replicaNames),
    )
    .option("--entity <name>", "only this entity", entityParser(project))
    .option("--rate <rows>", "most rows per second; fewer while the outbox is busy", integerParser(1, 100_000), 2_000)
    .option("--within <seconds>", "seconds that a replica may take to apply what was sent", integerParser(1, 3_600), 60)
    .action(async (flags: VerbFlags & ResyncScope) =>
      runVerb(project, flags, async (context) => {
        const result = await resync(context, flags);
        return { text: resyncText(result), document: result, status: statusOf(result) };
      }),
    );

/** 0: all are equal; 1: something differs; 3: nothing differs, but something could not be compared. */
function statusOf({ equal, repair, lostAgain }: ResyncResult): 0 | 1 | 3 {
  if (equal) return 0;
  return repair.remaining.length > 0 || lostAgain.length > 0 ? 1 : 3;
}

/** The result for people. */
export function resyncText({ equal, createdTopics, sent, repair, lostAgain, cleared }: ResyncResult): string {
  const { remaining, results } = repair;
  return [
    ...createdTopics.map((name) => `topic ${name} created`),
    ...sent.map((one) => `${one.entity}: ${one.sent} rows sent again`),
    ...(repair.sent > 0 ? [`${repair.sent} entities that still differed sent once more`] : []),
    ...Object.entries(cleared).map(([replica, reason]) => `${replica}: no longer marked (${reason})`),
    ...remaining.map((one) => ("why" in one ? `${differenceLine(one)}: ${one.why}` : differenceLine(one))),
    ...results
      .filter((result) => verdictOf({ ...result, differences: [] }) === "unknown")
      .map((result) => `${result.replica}: ${result.entity} could not be compared: ${reasonOf(result)}`),
    ...lostAgain.map((name) => `topic ${name} has lost records during the resync`),
    equal ? "every compared replica equals the source" : "not equal: remove the cause, then run the command again",
  ].join("\n");
}

const reasonOf = ({ behind, unknown }: VerifyResult): string =>
  unknown ?? (behind ? "it has not applied all changes, see lockstep status" : "its cache could not be read");
