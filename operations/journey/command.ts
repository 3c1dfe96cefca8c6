/** `lockstep journey ID`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { entityParser, parseId, runVerb, type VerbFlags, verb } from "../verb.ts";
import { isKnown, type Journey, readJourney } from "./journey.ts";
import type { ReplicaHop } from "./read-replica.ts";

/** The command `journey`. */
export const journeyVerb = (project: Project): Command =>
  verb("journey", "prints the state of one entity at every hop; exit status 1 when no hop knows it")
    .argument("<id>", "id of the entity", parseId)
    .option("--entity <name>", "which entity has the id, where several are declared", entityParser(project))
    .action(async (id: string, flags: VerbFlags & { readonly entity?: string }) =>
      runVerb(project, flags, async ({ connections }) => {
        const selected = project.entities.filter(({ name }) => !flags.entity || name === flags.entity);
        const journeys = (await Promise.all(selected.map((entity) => readJourney(connections, entity, id)))).filter(
          isKnown,
        );
        const known = journeys.length > 0;
        const text = known
          ? journeys.map(journeyText).join("\n\n")
          : `there is no entity ${id} in the source, the log or any replica`;
        return { text, document: { known, journeys }, status: known ? 0 : 1 };
      }),
    );

function journeyText({ entity, id, source, outbox, setAside, event, deadLetters, replicas, traceId }: Journey): string {
  return [
    `${entity} ${id}`,
    `  source      ${source.state}${source.version === null ? "" : `, version ${source.version} of ${source.at}`}`,
    `  outbox      ${outbox.length > 0 ? `pending: version ${outbox.join(", ")}` : "empty"}`,
    ...(setAside ? [`  set aside   ${setAside.reason}: ${setAside.name}, version ${setAside.version}`] : []),
    `  event       ${eventText(event)}`,
    ...deadLetters.map(
      (d) => `  dead letter ${d.reason}: ${d.topic} offset ${d.offset}${d.version ? `, version ${d.version}` : ""}`,
    ),
    ...replicas.map((hop) => `  ${hop.replica.padEnd(11)} ${hopText(hop)}`),
    `  trace       ${traceId ?? "none"}`,
  ].join("\n");
}

const eventText = (event: Journey["event"]): string =>
  event
    ? `version ${event.version} in ${event.topic}/${event.partition} at offset ${event.offset}, committed ${event.time}`
    : "not in the log";

function hopText({ decision, version, appliedAt, cache }: ReplicaHop): string {
  const applied = `${version === null ? "" : `, version ${version}`}${appliedAt ? `, applied ${appliedAt}` : ""}`;
  if (!cache) return `${decision}${applied}; not cached`;
  const unused = cache.current ? "" : " (of an earlier epoch: not used)";
  return `${decision}${applied}; cached at version ${cache.version}${unused}`;
}
