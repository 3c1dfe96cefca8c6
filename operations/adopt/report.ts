/** What an adoption prints. Pure. */
import { resultsText } from "../verify/report.ts";
import { verdictOf } from "../verify/verify.ts";
import type { ApplyResult } from "./apply.ts";
import { relationText } from "./catalog.ts";
import { type PlannedEntity, plannedText, refusalText } from "./plan.ts";
import type { Preparation } from "./prepare.ts";

/** The text of a preparation. */
export function preparationText({ plan, files }: Preparation): string {
  const { entities, refused, declared, hints } = plan;
  const secrets = entities.flatMap(secretsOf);
  return [
    ...entities.map((entity) => `+ ${plannedText(entity)} → ${entity.name}${childrenText(entity)}`),
    ...declared.map(({ relation, entity }) => `= ${relation} is declared already, as ${entity}`),
    ...refused.map((refusal) => `- ${refusalText(refusal).replaceAll("\n", "\n- ")}`),
    "",
    `${entities.length} tables adopted, ${refused.length} relations refused` +
      (declared.length > 0 ? `, ${declared.length} declared already` : ""),
    ...(secrets.length > 0 ? [`private by their names, so no replica gets them: ${secrets.join(", ")}`] : []),
    ...hints.map(
      ({ relation, parent }) =>
        `rows of ${relation} could be part of the documents of ${parent}: --children '${relation}'`,
    ),
    ...(files ? filesLines(files) : ["nothing was written: --dry-run"]),
    ...(files?.toDo ? [`! ${files.toDo}`] : []),
    ...(files && entities.length > 0
      ? ["", "Next: read these files and edit them as you like, then run: lockstep adopt --apply"]
      : []),
  ].join("\n");
}

const childrenText = ({ children }: PlannedEntity): string =>
  children.length === 0
    ? ""
    : `, with ${children.map(({ member, relation }) => `${member} from ${relationText(relation)}`).join(", ")}`;

const secretsOf = ({ relation, secrets, children }: PlannedEntity): string[] =>
  [{ relation, secrets }, ...children].flatMap((rows) =>
    rows.secrets.map((column) => `${relationText(rows.relation)}.${column}`),
  );

const MAX_LISTED_FILES = 12;

function filesLines({ written, kept }: NonNullable<Preparation["files"]>): string[] {
  const rest = written.length - MAX_LISTED_FILES;
  const listed = [...written.slice(0, MAX_LISTED_FILES), ...(rest > 0 ? [`and ${rest} more`] : [])];
  return [
    ...(written.length > 0 ? [`wrote ${written.length} files: ${listed.join(", ")}`] : []),
    ...(kept.length > 0 ? [`kept ${kept.length} files that were there already`] : []),
  ];
}

/** The preparation for programs. */
export const preparationDocument = ({ plan, files }: Preparation) => ({
  adopted: plan.entities.map((entity) => ({
    relation: relationText(entity.relation),
    entity: entity.name,
    plural: entity.plural,
    key: entity.key,
    truncate: entity.truncate,
    private: entity.secrets,
    children: entity.children.map(({ member, relation }) => ({ member, relation: relationText(relation) })),
  })),
  refused: plan.refused,
  declared: plan.declared,
  files: files ?? null,
});

/** The text of an application. */
export function applyText(result: ApplyResult): string {
  const { installed, lockRetries, failed, backfills, sentBefore, verified, next } = result;
  const sent = backfills.reduce((sum, one) => sum + one.sent - one.earlier, 0);
  const seconds = backfills.reduce((sum, one) => sum + one.seconds, 0);
  return [
    installed.length > 0
      ? `installed ${installed.length} migrations${lockRetries > 0 ? `; ${lockRetries} times a table's writers came first` : ""}`
      : "all migrations were installed before",
    ...failed.map(({ entity, reason }) => `! ${entity}: ${reason}`),
    ...(backfills.length > 0
      ? [
          `sent ${sent} rows of ${backfills.length} tables in ${seconds.toFixed(1)} s (${Math.round(sent / Math.max(seconds, 0.001))} rows/s)`,
        ]
      : []),
    ...(sentBefore.length > 0 ? [`all rows of ${sentBefore.length} tables had been sent before`] : []),
    ...(verified.length > 0 ? [resultsText(verified), verdictText(result)] : []),
    ...(next === undefined ? [] : [`Next: ${next}`]),
  ].join("\n");
}

function verdictText({ verified }: ApplyResult): string {
  const verdicts = verified.map(verdictOf);
  if (verdicts.every((verdict) => verdict === "equal")) return "every compared replica equals the source";
  return verdicts.includes("differs")
    ? "some replicas differ: lockstep repair sends what they lack"
    : "some replicas could not be compared: run lockstep verify later";
}

/** 0: all is done and equal; 1: something failed, differs, or has to be continued; 3: not everything was compared. */
export function applyStatus({ failed, verified, next }: ApplyResult): 0 | 1 | 3 {
  const verdicts = verified.map(verdictOf);
  if (failed.length > 0 || next !== undefined || verdicts.includes("differs")) return 1;
  return verdicts.includes("unknown") ? 3 : 0;
}
