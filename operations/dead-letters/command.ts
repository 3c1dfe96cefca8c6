/** `lockstep dead-letters list | show | replay | drop`. */
import { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import {
  choiceParser,
  integerParser,
  runVerb,
  type VerbContext,
  type VerbFlags,
  type VerbResult,
  verb,
} from "../verb.ts";
import { type DeadLetterState, deadLetterStates } from "./dead-letter-index.ts";
import { dropDeadLetters } from "./drop.ts";
import { type FilterFlags, hasFilter, parseNameArgument, parseNameArguments, withFilterOptions } from "./filter.ts";
import { pageText, paginate, toListItem } from "./list.ts";
import { canReplay, replayDeadLetters } from "./replay.ts";
import { type SkippedDeadLetters, selectDeadLetters, selectOpen } from "./select.ts";
import { detailsText, readDetails } from "./show.ts";

/** The command `dead-letters` with its four verbs. */
export const deadLettersVerb = (project: Project): Command =>
  new Command("dead-letters")
    .description("lists, shows, replays and drops what could not be sent, validated or applied")
    .addCommand(listVerb(project))
    .addCommand(showVerb(project))
    .addCommand(replayVerb(project))
    .addCommand(dropVerb(project));

const stateParser = choiceParser("state", [...deadLetterStates, "all"]);

const listVerb = (project: Project): Command =>
  withFilterOptions(verb("list", "lists dead letters with their state, the oldest first"), project)
    .option("--state <state>", `only in this state: ${deadLetterStates.join(", ")}`, stateParser, "all")
    .option("--limit <n>", "most dead letters on the page", integerParser(1, 10_000), 50)
    .option("--cursor <cursor>", "continue after an earlier page")
    .action(async (flags: FilterFlags & { state: DeadLetterState | "all"; limit: number; cursor?: string }) =>
      runVerb(project, flags, async (context) => {
        const all = [...(await selectDeadLetters(context, flags)).values()];
        const page = paginate(all, flags.state, flags.limit, flags.cursor);
        const { counts, nextCursor } = page;
        return { text: pageText(page), document: { items: page.items.map(toListItem), counts, nextCursor }, status: 0 };
      }),
    );

const showVerb = (project: Project): Command =>
  verb("show", "shows one dead letter: the event beside its declaration, headers, stack trace and state")
    .argument(
      "<dead-letter>",
      "name as list shows it: <topic>/<partition>/<offset> or outbox/<number>",
      parseNameArgument,
    )
    .option("--reveal", "show private values and the raw value, too")
    .action(async (name: string, flags: VerbFlags & { readonly reveal?: boolean }) =>
      runVerb(project, flags, async (context) => {
        const entry = (await selectDeadLetters(context, {}, [name])).get(name);
        if (!entry)
          return { text: `there is no dead letter ${name}`, document: { origin: name, found: false }, status: 1 };
        const details = await readDetails(context, entry, flags.reveal ?? false);
        return { text: detailsText(details), document: details, status: 0 };
      }),
    );

type SelectFlags = FilterFlags & { readonly all?: boolean };
type ReplayFlags = SelectFlags & { readonly rate: number; readonly dryRun?: boolean };
type DropFlags = SelectFlags & { readonly yes?: boolean };

/** Adds the arguments and options that select dead letters. */
const withSelection = (command: Command, project: Project): Command =>
  withFilterOptions(
    command.argument(
      "[dead-letters...]",
      "names as list shows them: <topic>/<partition>/<offset> or outbox/<number>",
      parseNameArguments,
    ),
    project,
  ).option("--all", "all open dead letters");

/** Ends the process with status 2 when the user has selected nothing. */
function requireSelection(command: Command, names: readonly string[], flags: SelectFlags): void {
  if (names.length === 0 && !hasFilter(flags) && !flags.all)
    command.error("error: select dead letters by name, by a filter, or with --all", { exitCode: 2 });
}

const replayVerb = (project: Project): Command =>
  withSelection(
    verb("replay", "sends open dead letters again, in order; skips those that were replayed already"),
    project,
  )
    .option("--rate <n>", "most dead letters per second", integerParser(1, 10_000), 100)
    .option("--dry-run", "list the dead letters and send nothing")
    .action(async (names: string[] = [], flags: ReplayFlags, command: Command) => {
      requireSelection(command, names, flags);
      return runVerb(project, flags, (context) => runReplay(context, names, flags));
    });

async function runReplay(context: VerbContext, names: readonly string[], flags: ReplayFlags): Promise<VerbResult> {
  const { connections, progress, signal } = context;
  const { open, skipped } = await selectOpen(context, names, flags);
  if (flags.dryRun) {
    const page = paginate(open.filter(canReplay), "open", open.length);
    const text = `${page.items.length} dead letters would be replayed:\n${pageText(page)}`;
    return { text, document: { wouldReplay: page.items.map(toListItem), ...skipped }, status: 0 };
  }
  const deps = { log: () => connections.log(), source: () => connections.source(), signal };
  const onReplayed = (count: number) => progress(`${count} of ${open.length} replayed …`);
  const { replayed, impossible, setAsideAgain, pending } = await replayDeadLetters(deps, open, flags.rate, onReplayed);
  const lines = [`${replayed} replayed`, ...skippedLines(skipped)];
  if (impossible.length > 0)
    lines.push(`${impossible.length} have no entity id and cannot be replayed: ${impossible.slice(0, 5).join(", ")}`);
  if (setAsideAgain.length > 0)
    lines.push(`${setAsideAgain.length} are set aside again: the cause is still there; see lockstep dead-letters list`);
  if (pending.length > 0)
    lines.push(`${pending.length} wait in the outbox, because the relay has not read them yet: see lockstep status`);
  const isIncomplete = skipped.unknown.length + impossible.length + setAsideAgain.length + pending.length > 0;
  const document = { replayed, impossible, setAsideAgain, pending, ...skipped };
  return { text: lines.join("\n"), document, status: isIncomplete ? 1 : 0 };
}

const dropVerb = (project: Project): Command =>
  withSelection(
    verb("drop", "drops open dead letters: replay skips them; changes that the relay has set aside are deleted"),
    project,
  )
    .option("--yes", "drop them; without this flag the command prints their number")
    .action(async (names: string[] = [], flags: DropFlags, command: Command) => {
      requireSelection(command, names, flags);
      return runVerb(project, flags, (context) => runDrop(context, names, flags));
    });

async function runDrop(context: VerbContext, names: readonly string[], flags: DropFlags): Promise<VerbResult> {
  const { open, skipped } = await selectOpen(context, names, flags);
  if (!flags.yes) {
    const text = `${open.length} dead letters would be dropped: pass --yes to drop them`;
    return { text, document: { wouldDrop: open.map(toListItem), ...skipped }, status: 1 };
  }
  const dropped = await dropDeadLetters(context, open);
  const lines = [`${dropped} dropped`, ...skippedLines(skipped)];
  return { text: lines.join("\n"), document: { dropped, ...skipped }, status: skipped.unknown.length > 0 ? 1 : 0 };
}

const skippedLines = ({ alreadyDone, unknown }: SkippedDeadLetters): string[] => [
  ...(alreadyDone > 0 ? [`${alreadyDone} skipped: replayed, dropped or superseded already`] : []),
  ...(unknown.length > 0 ? [`there is no dead letter ${unknown.join(", ")}`] : []),
];
