/** `lockstep status`. */
import type { Command } from "commander";
import { table } from "../../platform/table.ts";
import { runVerb, type VerbFlags, verb } from "../verb.ts";
import { readStatus, type Status } from "./status.ts";

export const statusVerb = (): Command =>
  verb(
    "status",
    "tells lag, outbox, dead letters, pauses and verifications; exit status 1 when something is wrong",
  ).action(async (flags: VerbFlags) =>
    runVerb(flags, async ({ connections }) => {
      const status = await readStatus(connections);
      return { text: statusText(status), document: status, status: status.ok ? 0 : 1 };
    }),
  );

function statusText({ services, follows, outbox, deadLetters, verifications, problems }: Status): string {
  const parts = [
    services.length > 0 &&
      table([
        ["SERVICE", "INSTANCE", "VERSION", "HEALTH"],
        ...services.map((s) => [s.name, String(s.instance), s.version ?? "-", s.health]),
      ]),
    table([
      ["FOLLOWS", "TOPIC", "LAG", "BY PARTITION", "STATE"],
      ...follows.map((f) => [
        f.name,
        f.topic,
        String(f.lag),
        f.partitions.map(({ lag }) => lag).join(" "),
        f.paused ? `paused since ${f.paused.at}${f.paused.reason ? `: ${f.paused.reason}` : ""}` : "running",
      ]),
    ]),
    `outbox: ${outbox.depth} waiting${outbox.depth > 0 ? `, the oldest for ${outbox.oldestAgeSeconds.toFixed(1)} s` : ""}    open dead letters: ${deadLetters}`,
    verifications.length > 0
      ? table([
          ["VERIFIED", "ENTITY", "WHEN", "ROWS", "RESULT"],
          ...verifications.map((v) => [v.replica, v.entity, v.at.toISOString(), String(v.rows), resultOf(v)]),
        ])
      : "never verified: lockstep verify",
    problems.length > 0 ? problems.map((problem) => `! ${problem}`).join("\n") : "all is well",
  ];
  return parts.filter(Boolean).join("\n\n");
}

function resultOf({ differing, behind }: Status["verifications"][number]): string {
  const counts = Object.entries(differing).map(([kind, count]) => `${count} ${kind}`);
  return [...counts, ...(behind ? ["behind"] : [])].join(", ") || "equal";
}
