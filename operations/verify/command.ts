/** `lockstep verify`. */
import { type Command, InvalidArgumentError } from "commander";
import { entities, replicaNames } from "../../contracts/entities/index.ts";
import { choiceParser, integerParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { differencesText, resultsText } from "./report.ts";
import { type VerifyScope, verifyReplicas } from "./verify-replicas.ts";

const entityNames = entities.map(({ name }) => name);

const fraction = (given: string): number => {
  const value = Number(given);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("must be above 0, up to 1");
  return value;
};

/** What verify and repair take to say what is compared, and how gently. */
export const withScopeOptions = (command: Command): Command =>
  command
    .option("--replica <name>", "only this replica", choiceParser("replica", replicaNames))
    .option("--entity <name>", "only this entity", choiceParser("entity", entityNames))
    .option("--no-cache", "do not look into the caches")
    .option(
      "--every-row",
      "fetch and compare all rows, whatever their digests say: sees a changed filter or projection, too",
    )
    .option("--share <fraction>", "part of the time to work, with rests between: 1 for no rest", fraction, 0.2)
    .option(
      "--within <seconds>",
      "how long a replica may take to hear of what was just committed",
      integerParser(0, 3_600),
      15,
    );

export const verifyVerb = (): Command =>
  withScopeOptions(
    verb(
      "verify",
      "compares source, replicas and caches by content while writes go on; exit status 1 when they differ",
    ),
  ).action(async (flags: VerbFlags & VerifyScope) =>
    runVerb(flags, async (context) => {
      const verified = await verifyReplicas(context, flags);
      const differ = verified.some(({ differences, behind }) => differences.length > 0 || behind);
      const text = [resultsText(verified), ...verified.map(differencesText)].filter(Boolean).join("\n");
      return { text, document: { equal: !differ, verified }, status: differ ? 1 : 0 };
    }),
  );
