import { UserError } from "../../contracts/errors.ts";

/** So much differs that naming and mending the rows one by one makes no sense. */
export class TooManyDifferencesError extends UserError {
  constructor(replica: string, max: number, remedy: string) {
    super(`more than ${max} entities of ${replica} differ: ${remedy}`, "TOO_DIFFERENT");
  }
}
