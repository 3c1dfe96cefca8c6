/** Something that a person can act on: told in its own words, without a stack trace. */
export class Failure extends Error {
  override readonly name: string = "Failure";
}
