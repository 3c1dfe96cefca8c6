import { Refusal } from "../../platform/refusal.ts";

/** So much differs that the replica should be rebuilt. */
export class TooDifferentError extends Refusal {
  override readonly name = "TooDifferentError";

  constructor(replica: string, most: number) {
    super(`more than ${most} entities of ${replica} differ: rebuild it (lockstep rebuild ${replica})`);
  }
}
