/** `lockstep take-over`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { describeSource, readSource, takeOver } from "../../pipeline/source-claim.ts";
import { runVerb, type VerbFlags, verb } from "../verb.ts";

/** The command `take-over`. */
export const takeOverVerb = (project: Project): Command =>
  verb(
    "take-over",
    "makes this source the one whose events the topics hold, in place of the source that it replaces; the relay of the " +
      "other source ends",
  ).action(async (flags: VerbFlags) =>
    runVerb(project, flags, async ({ connections }) => {
      const source = await readSource(connections.source());
      const replaced = await takeOver(await connections.log(), project, source);
      const lines = replaced.map(
        (former) =>
          `the topics held the events of ${describeSource(former)} since ${former.at}; they are now those of ` +
          describeSource(source),
      );
      const next = "run lockstep resync when the relay leads: the two databases may differ";
      return {
        text: [...lines, replaced.length > 0 ? next : `the topics belong to database ${source.database}`].join("\n"),
        document: { source, replaced },
        status: 0,
      };
    }),
  );
