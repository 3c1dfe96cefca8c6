/** `lockstep fill`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { integerParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { type FilledEntity, type FillOptions, fill } from "./fill.ts";

/** The command `fill`. */
export const fillVerb = (project: Project): Command =>
  verb(
    "fill",
    "sends rows to replicas that never got them, such as a new replica; does nothing when none lacks any; " +
      "exit status 1 while a replica still lacks rows",
  )
    .option(
      "--rate <rows>",
      "most rows per second; fewer while the outbox is busy",
      integerParser(1, 1_000_000),
      100_000,
    )
    .option(
      "--within <seconds>",
      "seconds that a replica may take to apply what was sent",
      integerParser(1, 86_400),
      600,
    )
    .option("--quiet", "print nothing when no replica lacks rows")
    .action(async (flags: VerbFlags & FillOptions & { readonly quiet?: true }) =>
      runVerb(project, flags, async (context) => {
        const filled = await fill(context, flags);
        const isWhole = !context.signal.aborted && filled.every(({ whole }) => whole);
        const text = flags.quiet && filled.length === 0 ? "" : fillText(filled);
        return { text, document: { whole: isWhole, filled }, status: isWhole ? 0 : 1 };
      }),
    );

/** The result for people. */
export const fillText = (filled: readonly FilledEntity[]): string =>
  filled.length === 0
    ? "every replica has been sent all rows"
    : filled
        .map(
          ({ entity, replicas, sent, whole }) =>
            `${replicas.join(", ")}: ${sent} rows of ${entity} sent, ${whole ? "and applied" : "not applied yet: run lockstep fill again"}`,
        )
        .join("\n");
