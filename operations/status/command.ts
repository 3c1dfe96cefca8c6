/** `lockstep status`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { table } from "../../platform/table.ts";
import type { ActiveCondition } from "../conditions/active-condition.ts";
import { runVerb, type VerbFlags, verb } from "../verb.ts";
import type { LastVerification } from "../verify/results.ts";
import { readStatus, type Status } from "./status.ts";

/** The command `status`. */
export const statusVerb = (project: Project): Command =>
  verb(
    "status",
    "prints every condition with its remedy, lag, outbox, and last verifications; exit status 1 when a condition is present",
  ).action(async (flags: VerbFlags) =>
    runVerb(project, flags, async ({ connections, settings, signal }) => {
      const verifyEverySeconds = settings.LOCKSTEP_VERIFY_EVERY_S;
      const status = await readStatus(connections, project, { verifyEverySeconds, watchProgress: true, signal });
      return { text: statusText(status), document: status, status: status.ok ? 0 : 1 };
    }),
  );

/** The status for people: tables of what was read, then each condition with its remedy. */
export const statusText = (status: Status): string =>
  [
    servicesText(status),
    consumersText(status),
    outboxText(status),
    verificationsText(status),
    status.notes.map((note) => `note: ${note}`).join("\n"),
    status.ok ? "no problems found" : status.conditions.map(conditionLines).join("\n"),
  ]
    .filter(Boolean)
    .join("\n\n");

const conditionLines = ({ condition, where, problem, since, remedy }: ActiveCondition): string =>
  `! ${condition} (${where})${since ? ` since ${since}` : ""}: ${oneLine(problem)}\n  ${remedy}`;

const oneLine = (text: string): string => text.replace(/\s+/g, " ").slice(0, 500);

function servicesText({ services }: Status): string {
  if (services.length === 0) return "";
  const rows = services.map((s) => [s.name, String(s.instance), s.version ?? "-", s.health]);
  return table([["SERVICE", "INSTANCE", "VERSION", "HEALTH"], ...rows]);
}

function consumersText({ follows }: Status): string {
  if (!follows) return "consumers: unknown";
  const rows = follows.map(({ name, topic, lag, partitions, paused }) => [
    name,
    topic,
    String(lag),
    partitions.map((partition) => partition.lag).join(" "),
    paused ? `paused since ${paused.at}${paused.reason ? `: ${paused.reason}` : ""}` : "running",
  ]);
  return table([["CONSUMER", "TOPIC", "LAG", "BY PARTITION", "STATE"], ...rows]);
}

function outboxText({ outbox, deadLetters }: Status): string {
  const age = outbox && outbox.depth > 0 ? `, the oldest for ${outbox.oldestAgeSeconds.toFixed(1)} s` : "";
  return `outbox: ${outbox ? `${outbox.depth} pending${age}` : "unknown"}    open dead letters: ${deadLetters ?? "unknown"}`;
}

function verificationsText({ verifications }: Status): string {
  if (!verifications) return "verifications: unknown";
  if (verifications.length === 0) return "not verified yet: run lockstep verify";
  const rows = verifications.map((v) => [v.replica, v.entity, v.at.toISOString(), String(v.rows), outcomeText(v)]);
  return table([["VERIFIED", "ENTITY", "WHEN", "ROWS", "RESULT"], ...rows]);
}

function outcomeText({ differing, behind }: LastVerification): string {
  const counts = Object.entries(differing).map(([kind, count]) => `${count} ${kind}`);
  return [...counts, ...(behind ? ["behind"] : [])].join(", ") || "equal";
}
