/** Mutants of the Kafka client. */
import type { Mutant } from "./mutant.ts";

const consumer = "tests/kafka-conformance/consumer.contract.int.test.ts";
const log = "tests/kafka-conformance/log.contract.int.test.ts";
const member = "kafka/consumer/consumer.int.test.ts";

/** Guards of writers, readers and group members. */
export const kafkaMutants: readonly Mutant[] = [
  {
    name: "kafka-fence-any-epoch",
    guard: "P9: a writer is open only after its own marker; a marker of an earlier epoch does not fence.",
    file: "kafka/writer/fence.ts",
    from: "(batch) => batch.isControl && batch.producerId === BigInt(producerId) && batch.producerEpoch >= producerEpoch,",
    to: "(batch) => batch.isControl && batch.producerId === BigInt(producerId),",
    tests: ["kafka/writer/fence.int.test.ts"],
  },
  {
    name: "kafka-assigns-owned-partition",
    guard: "P9: a partition that moves belongs to no member for one round.",
    file: "kafka/consumer/assign.ts",
    from: "!owners.has(key) || owners.get(key) === memberId;",
    to: "owners.has(key) || !owners.has(key) || owners.get(key) === memberId;",
    tests: ["kafka/consumer/assign.unit.test.ts"],
  },
  {
    name: "kafka-commits-unsent-offset",
    guard: "P1: only the offset that was sent counts as committed, not one that was processed meanwhile.",
    file: "kafka/consumer/commits.ts",
    from: "for (const { queue, offset } of changed) queue.committedOffset = offset;",
    to: "for (const { queue } of changed) queue.committedOffset = queue.processedOffset;",
    tests: ["kafka/consumer/commits.int.test.ts"],
  },
  {
    name: "kafka-revokes-without-waiting",
    guard: "P9: a revoked partition is given up only after the batch in flight.",
    file: "kafka/consumer/consumer.ts",
    from: "    await settlesWithin(Promise.all(handlers), REVOKE_TIMEOUT_MS);\n",
    to: "",
    tests: [consumer],
  },
  {
    name: "kafka-goes-back-at-once",
    guard: "P1: one answer of a leader that is behind does not move a reader back to the start.",
    file: "kafka/consumer/fetch-loop.ts",
    from: "if (round === REPOSITION_ROUNDS) this.skipTo(queue, offset, first);",
    to: "if (round > 0) return this.skipTo(queue, offset, first);",
    tests: [member],
  },
  {
    name: "kafka-abort-without-end",
    guard: "P1: an aborted transaction ends at its marker; later records of its producer are delivered.",
    file: "kafka/consumer/fetch.ts",
    from: "    if (batch.isAbort) abortedProducers.delete(batch.producerId);\n",
    to: "",
    tests: ["kafka/consumer/fetch.unit.test.ts"],
  },
  {
    name: "kafka-late-heartbeat-counts",
    guard: "P1: the answer to a heartbeat of an earlier generation does not make a new member join again.",
    file: "kafka/consumer/membership.ts",
    from: "      if (generation !== this.generation) return;\n",
    to: "",
    tests: [member],
  },
  {
    name: "kafka-watcher-delivers-uncompared",
    guard: "P10: a watcher delivers nothing before it knows whether the topic was created again.",
    file: "kafka/consumer/watcher.ts",
    from: "        await this.compared;\n",
    to: "",
    tests: ["kafka/consumer/watcher.int.test.ts"],
  },
  {
    name: "kafka-keeps-failed-connection",
    guard: "P1: a connection that failed is replaced, so that the next request does not fail with it.",
    file: "kafka/wire/connection.ts",
    from: "if (this.closed || !socket.isOpen ||",
    to: "if (this.closed ||",
    tests: ["kafka/wire/connection.int.test.ts"],
  },
  {
    name: "kafka-writer-lives-after-unknown-write",
    guard: "P1: a write with unknown outcome ends the writer.",
    file: "kafka/writer/epoch-writer.ts",
    from: "write.reject(error instanceof RecordRejectedError ? error : this.end(error));",
    to: "write.reject(error);",
    tests: [log],
  },
  {
    name: "kafka-two-batches-in-one-request",
    guard: "P1: a request has one batch of a partition, because a broker stores one of two and answers for both.",
    file: "kafka/writer/sender.ts",
    from: "if (taken.has(key) || !fits ||",
    to: "if (!fits ||",
    tests: ["kafka/writer/sender.unit.test.ts"],
  },
  {
    name: "kafka-commit-sent-twice",
    guard: "P9: a commit without an answer is not sent again: it could end the next transaction.",
    file: "kafka/writer/transactional-writer.ts",
    from: "if (error instanceof BrokerError) throw error;",
    to: "throw error;",
    tests: ["kafka/writer/transactional-writer.int.test.ts"],
  },
  {
    name: "kafka-two-creators-conflict",
    guard: "P14: of two processes that create one topic at the same time, none fails.",
    file: "kafka/topics.ts",
    from: "if (errorCode !== 0 && errorCode !== errorCodes.TOPIC_ALREADY_EXISTS)",
    to: "if (errorCode !== 0)",
    tests: ["kafka/topics.int.test.ts"],
  },
];
