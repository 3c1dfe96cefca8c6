/** `lockstep journey [ENTITY] KEY`. */
import { type Command, InvalidArgumentError } from "commander";
import { UserError } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { entityParser, parseId, runVerb, type VerbFlags, verb } from "../verb.ts";
import { entitiesWithKey, isKnown, type Journey, readJourney } from "./journey.ts";
import type { ReplicaHop } from "./read-replica.ts";

/** The command `journey`. */
export const journeyVerb = (project: Project): Command =>
  verb("journey", "prints the state of one entity at every hop; exit status 1 when no hop knows it")
    .argument("<entity-or-key>", "the entity's name, followed by the key; or the key alone", (value: string) => {
      const isEntity = project.entities.some(({ name }) => name === value);
      if (isEntity || entitiesWithKey(project, undefined, value).length > 0) return value;
      throw new InvalidArgumentError("is neither the name of an entity nor the key of one");
    })
    .argument("[key]", "values of the key in its order, joined by commas: 42,7", parseId)
    .option("--entity <name>", "which entity has the key, where several are declared", entityParser(project))
    .action(async (first: string, second: string | undefined, flags: VerbFlags & { readonly entity?: string }) => {
      const name = second === undefined ? flags.entity : entityParser(project)(first);
      const key = second ?? parseId(first);
      return runVerb(project, flags, async ({ connections }) => {
        const wanted = entitiesWithKey(project, name, key);
        if (wanted.length === 0) throw new UserError(`${key} is no key of ${name ?? "any declared entity"}`, "NO_KEY");
        const found = await Promise.all(wanted.map(({ entity, id }) => readJourney(connections, entity, id)));
        const journeys = found.filter(isKnown);
        const known = journeys.length > 0;
        const text = known
          ? journeys.map(journeyText).join("\n\n")
          : `there is no entity ${key} in the source, the log or any replica`;
        return { text, document: { known, journeys }, status: known ? 0 : 1 };
      });
    });

function journeyText({ entity, id, source, outbox, setAside, event, deadLetters, replicas, traceId }: Journey): string {
  return [
    `${entity} ${id}`,
    `  source      ${source.state}${source.version === null ? "" : `, version ${source.version}`}${source.at === null ? "" : ` of ${source.at}`}`,
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
