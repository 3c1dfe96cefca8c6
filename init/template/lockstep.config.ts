/** What Lockstep keeps in step: the entities of this project, and the replicas that each of them names. */
import { defineProject } from "lockstep";
import { task } from "./entities/task.ts";

export default defineProject({
  entities: [task],
  // source/*.sql runs in the gateway's database, board/*.sql in the database of the replica "board".
  migrations: new URL("./migrations/", import.meta.url),
});
