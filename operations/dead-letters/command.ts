/** `lockstep dead-letters list | show | replay | drop`. */
import { Command } from "commander";
import { choiceParser, integerParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { drop } from "./drop.ts";
import { pageText, paginate, toListItem } from "./list.ts";
import { type DeadLetterState, deadLetterStates } from "./read-dead-letters.ts";
import { canReplay, replay } from "./replay.ts";
import {
  type FilterFlags,
  hasFilter,
  parseOriginArgument,
  parseOriginArguments,
  selectDeadLetters,
  withFilterOptions,
} from "./select.ts";
import { type SkippedDeadLetters, selectOpen } from "./select-open.ts";
import { detailsText, readDetails } from "./show.ts";

export const deadLettersVerb = (): Command =>
  new Command("dead-letters")
    .description("lists, shows, replays and drops what could not be processed")
    .addCommand(listVerb())
    .addCommand(showVerb())
    .addCommand(replayVerb())
    .addCommand(dropVerb());

const listVerb = (): Command =>
  withFilterOptions(verb("list", "lists dead letters, the oldest first, with their state"))
    .option(
      "--state <state>",
      `only in this state: ${deadLetterStates.join(", ")}`,
      choiceParser("state", [...deadLetterStates, "all"]),
      "all",
    )
    .option("--limit <n>", "most of them", integerParser(1, 10_000), 50)
    .option("--cursor <cursor>", "goes on after an earlier page")
    .action(async (flags: FilterFlags & { state: DeadLetterState | "all"; limit: number; cursor?: string }) =>
      runVerb(flags, async (context) => {
        const all = [...(await selectDeadLetters(context, flags)).values()];
        const page = paginate(all, flags.state, flags.limit, flags.cursor);
        const { counts, nextCursor } = page;
        return { text: pageText(page), document: { items: page.items.map(toListItem), counts, nextCursor }, status: 0 };
      }),
    );

const showVerb = (): Command =>
  verb("show", "shows a dead letter: the event beside what was expected, headers, stack and state")
    .argument("<letter>", "as list names it: <topic>/<partition>/<offset>", parseOriginArgument)
    .option("--reveal", "shows private values and the raw value too")
    .action(async (name: string, flags: VerbFlags & { readonly reveal?: boolean }) =>
      runVerb(flags, async (context) => {
        const found = (await selectDeadLetters(context, {}, [name])).get(name);
        if (!found)
          return { text: `there is no dead letter ${name}`, document: { origin: name, found: false }, status: 1 };
        const shown = await readDetails(await context.connections.log(), found, flags.reveal ?? false);
        return { text: detailsText(shown), document: shown, status: 0 };
      }),
    );

type Chosen = FilterFlags & { readonly all?: boolean };

/** Names or filters; all only when that is said. */
const chosen = (command: Command): Command =>
  withFilterOptions(
    command.argument("[letters...]", "as list names them: <topic>/<partition>/<offset>", parseOriginArguments),
  ).option("--all", "all that are open");

function checkChosen(command: Command, names: readonly string[], flags: Chosen): void {
  if (names.length === 0 && !hasFilter(flags) && !flags.all)
    command.error("error: name letters, give a filter, or say --all", { exitCode: 2 });
}

const replayVerb = (): Command =>
  chosen(verb("replay", "sends open dead letters once more, in order; what was replayed already is left alone"))
    .option("--rate <n>", "most in a second", integerParser(1, 10_000), 100)
    .option("--dry-run", "only tells which")
    .action(
      async (names: string[] | undefined, flags: Chosen & { rate: number; dryRun?: boolean }, command: Command) => {
        checkChosen(command, names ?? [], flags);
        return runVerb(flags, async (context) => {
          const { connections, progress, signal } = context;
          const { open, rest } = await selectOpen(context, names ?? [], flags);
          if (flags.dryRun) {
            const page = paginate(open.filter(canReplay), "open", open.length);
            const text = `would replay ${page.items.length}:\n${pageText(page)}`;
            return { text, document: { wouldReplay: page.items.map(toListItem), ...rest }, status: 0 };
          }
          const deps = { log: await connections.log(), source: () => connections.source(), signal };
          const onReplayed = (count: number) => progress(`${count} of ${open.length} replayed …`);
          const { replayed, impossible } = await replay(deps, open, flags.rate, onReplayed);
          const lines = [`${replayed} replayed`, ...restText(rest)];
          if (impossible.length > 0)
            lines.push(
              `${impossible.length} name no entity and cannot be replayed: ${impossible.slice(0, 5).join(", ")}`,
            );
          const missing = rest.unknown.length > 0 || impossible.length > 0;
          return { text: lines.join("\n"), document: { replayed, impossible, ...rest }, status: missing ? 1 : 0 };
        });
      },
    );

const dropVerb = (): Command =>
  chosen(
    verb("drop", "marks open dead letters as dropped: nobody will replay them; their records stay until they expire"),
  )
    .option("--yes", "does it; without it only says how many")
    .action(async (names: string[] | undefined, flags: Chosen & { yes?: boolean }, command: Command) => {
      checkChosen(command, names ?? [], flags);
      return runVerb(flags, async (context) => {
        const { open, rest } = await selectOpen(context, names ?? [], flags);
        if (!flags.yes)
          return {
            text: `${open.length} would be dropped; say --yes to do it`,
            document: { wouldDrop: open.map(toListItem), ...rest },
            status: 1,
          };
        const dropped = await drop(context, open);
        const lines = [`${dropped} dropped`, ...restText(rest)];
        return { text: lines.join("\n"), document: { dropped, ...rest }, status: rest.unknown.length > 0 ? 1 : 0 };
      });
    });

const restText = ({ alreadyDone, unknown }: SkippedDeadLetters): string[] => [
  ...(alreadyDone > 0 ? [`${alreadyDone} were replayed, dropped or superseded already`] : []),
  ...(unknown.length > 0 ? [`there is no dead letter ${unknown.join(", ")}`] : []),
];
