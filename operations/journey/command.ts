/** `lockstep journey ID`. */
import { type Command, InvalidArgumentError } from "commander";
import { entities } from "../../contracts/entities/index.ts";
import { isId } from "../../contracts/pages.ts";
import { choiceParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { isKnown, type Journey, readJourney } from "./journey.ts";

const idOf = (given: string): string => {
  const id = given.toLowerCase();
  if (!isId(id)) throw new InvalidArgumentError("ids are UUIDs");
  return id;
};

export const journeyVerb = (): Command =>
  verb("journey", "tells the state of one entity at every hop; exit status 1 when nothing knows it")
    .argument("<id>", "id of the entity", idOf)
    .option(
      "--entity <name>",
      "which kind it is, where there are several",
      choiceParser(
        "entity",
        entities.map(({ name }) => name),
      ),
    )
    .action(async (id: string, flags: VerbFlags & { readonly entity?: string }) =>
      runVerb(flags, async ({ connections }) => {
        const asked = entities.filter(({ name }) => !flags.entity || name === flags.entity);
        const journeys = await Promise.all(asked.map((entity) => readJourney(connections, entity, id)));
        const known = journeys.filter(isKnown);
        const text =
          known.length > 0
            ? known.map(journeyText).join("\n\n")
            : `nothing knows ${id}: not the source, not the log, no replica`;
        return { text, document: { known: known.length > 0, journeys: known }, status: known.length > 0 ? 0 : 1 };
      }),
    );

function journeyText({ entity, id, source, outbox, event, deadLetters, replicas, traceId }: Journey): string {
  return [
    `${entity} ${id}`,
    `  source      ${source.state}${source.version === null ? "" : `, version ${source.version} of ${source.at}`}`,
    `  outbox      ${outbox.length > 0 ? `waiting: version ${outbox.join(", ")}` : "nothing waits"}`,
    `  event       ${event ? `version ${event.version} in ${event.topic}/${event.partition} at offset ${event.offset}, committed ${event.time}` : "none that the log still has"}`,
    ...deadLetters.map(
      (d) => `  dead letter ${d.reason}: ${d.topic} offset ${d.offset}${d.version ? `, version ${d.version}` : ""}`,
    ),
    ...replicas.map(
      ({ replica, decision, version, appliedAt, cache }) =>
        `  ${replica.padEnd(11)} ${decision}${version === null ? "" : `, version ${version}`}${appliedAt ? `, applied ${appliedAt}` : ""}; ` +
        (cache
          ? `cached at version ${cache.version}${cache.current ? "" : " (of an epoch that is over: not used)"}`
          : "not cached"),
    ),
    `  trace       ${traceId ?? "none"}`,
  ].join("\n");
}
