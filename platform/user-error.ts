/** Why something that an operator asked for cannot be done now, in words for people: what stands in the way, and what to do. */
export class UserError extends Error {
  override readonly name: string = "Refusal";
}
