/** The closed list of reasons for which a record becomes a dead letter, or the relay sets a change aside. */

interface Reason {
  /** The service that rejects the record. The relay sets it aside in the source's table `lockstep.set_aside`. */
  readonly reportedBy: "relay" | "stream" | "replica";
  readonly means: string;
  /** What makes a replay succeed. "drop": no replay can succeed. */
  readonly remedy: string;
}

const byRelay = (means: string, remedy: string) => ({ reportedBy: "relay" as const, means, remedy });
const byStream = (means: string, remedy: string) => ({ reportedBy: "stream" as const, means, remedy });
const byReplica = (means: string, remedy: string) => ({ reportedBy: "replica" as const, means, remedy });

/** Every reason. docs/operate/dead-letters.md explains each one; a test compares the two lists. */
export const deadLetterReasons = {
  "record-too-large": byRelay(
    "the event is larger than the topic accepts, or the row is larger than the relay reads (8 MB)",
    "shorten the row, or raise max.message.bytes of the topics; replay",
  ),
  "record-rejected": byRelay(
    "the broker rejects the event for something other than its size",
    "correct the topic's configuration; replay",
  ),
  "undeclared-entity": byRelay(
    "a captured table belongs to an entity that this relay's version does not declare",
    "declare the entity and deploy the relay, then replay; or drop",
  ),
  "missing-column": byRelay(
    "the row was captured while its table lacked a declared column",
    "add the column, or remove it from the declaration; replay",
  ),
  "version-too-large": byRelay(
    "the entity's version is above 9007199254740991 and has no exact JSON number",
    "set a lower version in the source's table, above those of the replicas; replay",
  ),
  unencodable: byRelay(
    "the row has a value that the relay's code cannot turn into an event",
    "correct the row or the declaration; replay",
  ),
  "missing-header": byStream(
    "a CloudEvents attribute is missing or has an invalid value",
    "fix the writer of the event; drop this dead letter",
  ),
  "unknown-type": byStream(
    "the event type is not one of this entity's types",
    "declare the type and deploy the stream; replay",
  ),
  "unknown-schema-version": byStream(
    "the event's schema version is newer than the stream's",
    "upgrade the stream; replay",
  ),
  "upcast-failed": byStream(
    "an upcaster threw on a document of an older schema version",
    "fix the upcaster and deploy the stream; replay",
  ),
  "wrong-key": byStream(
    "the record's key, the event's subject and the document's id are not the same id",
    "fix the writer of the event; drop this dead letter",
  ),
  "wrong-partition": byStream(
    "the record is not in the partition of its key",
    "replay: the replay writes to the correct partition",
  ),
  "no-value": byStream(
    "the value is empty; a delete needs a deleted event with a value",
    "fix the writer of the event; drop this dead letter",
  ),
  "malformed-json": byStream("the value is not JSON in UTF-8", "fix the writer of the event; drop this dead letter"),
  "invalid-document": byStream(
    "the document does not match the declaration",
    "correct the declaration or the source's row; replay",
  ),
  internal: byStream(
    "Lockstep's code threw, most likely in a declared filter or projection",
    "fix the code and deploy the stream; replay",
  ),
  unreadable: byReplica(
    "the record of the replica's topic was not written by the stream, or an upcaster cannot read it",
    "fix the stream or the upcaster; replay",
  ),
  unappliable: byReplica(
    "the replica's database rejects the row",
    "correct the replica's schema or the source's row; replay",
  ),
  "hook-failed": byReplica(
    "the row is applied, and the replica's onApplied failed or took too long each time",
    "fix onApplied, or what it calls, and deploy the replica; replay calls it again",
  ),
} as const satisfies Readonly<Record<string, Reason>>;

/** Name of a reason, as in the header `lockstep-reason`. */
export type ReasonName = keyof typeof deadLetterReasons;

type ReportedBy = Reason["reportedBy"];

/** The reasons that one service gives. */
export type ReasonOf<Service extends ReportedBy> = {
  [R in ReasonName]: (typeof deadLetterReasons)[R]["reportedBy"] extends Service ? R : never;
}[ReasonName];

/** The names of all reasons. */
export const reasonNames = Object.keys(deadLetterReasons) as readonly ReasonName[];

/** True for the name of a reason. */
export const isReason = (name: string | undefined): name is ReasonName =>
  name !== undefined && name in deadLetterReasons;
