/** A task. The gateway has every task, the replica "board" has the open ones, and nobody but the gateway sees notes. */
import { defineEntity, defineReplica, oneOf, text } from "lockstep";

const fields = {
  title: text({ min: 1, max: 200 }),
  status: oneOf(["open", "done"], { initial: "open" }),
  notes: text({ max: 10_000, initial: "", private: true }),
};

export const task = defineEntity({
  name: "task",
  plural: "tasks",
  schemaVersion: 1,
  fields,
  unique: [],
  example: { title: "Water the plants" },
  replicas: [defineReplica(fields, { name: "board", filter: ({ status }) => status === "open" })],
});
