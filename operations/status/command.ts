/** `lockstep status`. */
import type { Command } from "commander";
import { table } from "../../platform/table.ts";
import { runVerb, type VerbFlags, verb } from "../verb.ts";
import { readStatus, type Status } from "./status.ts";

/** The command `status`. */
export const statusVerb = (): Command =>
  verb(
    "status",
    "prints lag, outbox, dead letters, pauses and last verifications; exit status 1 when there is a problem",
  ).action(async (flags: VerbFlags) =>
    runVerb(flags, async ({ connections }) => {
      const status = await readStatus(connections);
      return { text: statusText(status), document: status, status: status.ok ? 0 : 1 };
    }),
  );

const statusText = (status: Status): string =>
  [
    servicesText(status),
    consumersText(status),
    outboxText(status),
    verificationsText(status),
    status.problems.length > 0 ? status.problems.map((problem) => `! ${problem}`).join("\n") : "no problems found",
  ]
    .filter(Boolean)
    .join("\n\n");

function servicesText({ services }: Status): string {
  if (services.length === 0) return "";
  const rows = services.map((s) => [s.name, String(s.instance), s.version ?? "-", s.health]);
  return table([["SERVICE", "INSTANCE", "VERSION", "HEALTH"], ...rows]);
}

function consumersText({ follows }: Status): string {
  const rows = follows.map(({ name, topic, lag, partitions, paused }) => [
    name,
    topic,
    String(lag),
    partitions.map((partition) => partition.lag).join(" "),
    paused ? `paused since ${paused.at}${paused.reason ? `: ${paused.reason}` : ""}` : "running",
  ]);
  return table([["CONSUMER", "TOPIC", "LAG", "BY PARTITION", "STATE"], ...rows]);
}

function outboxText({ outbox: { depth, oldestAgeSeconds }, deadLetters }: Status): string {
  const age = depth > 0 ? `, the oldest for ${oldestAgeSeconds.toFixed(1)} s` : "";
  return `outbox: ${depth} pending${age}    open dead letters: ${deadLetters}`;
}

function verificationsText({ verifications }: Status): string {
  if (verifications.length === 0) return "not verified yet: run lockstep verify";
  const rows = verifications.map((v) => [v.replica, v.entity, v.at.toISOString(), String(v.rows), outcomeText(v)]);
  return table([["VERIFIED", "ENTITY", "WHEN", "ROWS", "RESULT"], ...rows]);
}

function outcomeText({ differing, behind }: Status["verifications"][number]): string {
  const counts = Object.entries(differing).map(([kind, count]) => `${count} ${kind}`);
  return [...counts, ...(behind ? ["behind"] : [])].join(", ") || "equal";
}
