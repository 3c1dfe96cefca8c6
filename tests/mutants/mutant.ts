/** What a mutant is: the product with one guard removed. A test, a chaos run or the simulation must notice. */

/** One small change of one file. */
export interface Mutant {
  /** Unique, in kebab-case: `replica-without-version-guard`. */
  readonly name: string;
  /** What the guard is for, as one sentence, with its promise: "P3: an older version does not replace a newer one." */
  readonly guard: string;
  /** Path from the root of the repository: TypeScript, SQL or Lua. */
  readonly file: string;
  /** Text of the guard. It occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** The nearest test files, of which one must fail. Empty: only chaos or the simulation runs this mutant. */
  readonly tests: readonly string[];
  /** Why no test can notice the mutant: it changes nothing that can be seen. Undefined: a test must. */
  readonly equivalent?: string;
}
