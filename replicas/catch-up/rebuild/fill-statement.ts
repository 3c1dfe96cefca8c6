/** The statement that writes one batch of a rebuild: versions, rows, and the position in the log. */
import { quotedName } from "../../../contracts/entity/table.ts";
import { batchParameters, type Change, hasDocument } from "../../apply/apply.ts";
import type { NewTable } from "./tables.ts";

/** Where a batch ends in the log. */
interface FilledUpTo {
  readonly topic: string;
  readonly partition: number;
  /** Identity of the topic. */
  readonly topicId: string;
  readonly next: number;
}

/**
 * The statement for one entity's new tables. The position keeps its first `at`: the time at which its filling began.
 *
 * The apply function raises LS003 when a trigger of the table skips a row or a delete, or changes a key or a version.
 * `versions` would then have what the table lacks.
 */
export const fillStatement = ({ apply }: NewTable): string => `
  with applied as (
    select count(*) from lockstep_next.${quotedName(apply)}($1::text::text[], $2::text::bigint[], $3::text::boolean[],
      $4::text::bigint[], $5::text::json, $6::text::text[], null, null)
  )
  insert into lockstep_next.positions (topic, "partition", next_offset, at, topic_id)
  select $7, $8::int, $9::bigint, now(), $10 from applied
  on conflict (topic, "partition") do update set next_offset = excluded.next_offset`;

/** The parameters of {@link fillStatement}. @param changes each entity once. */
export const fillParameters = (
  { table }: NewTable,
  changes: readonly Change[],
  { topic, partition, next, topicId }: FilledUpTo,
): (string | number)[] => [
  ...batchParameters(
    changes,
    changes.filter(hasDocument).map((change) => table.rowOf(change)),
  ),
  topic,
  partition,
  next,
  topicId,
];
