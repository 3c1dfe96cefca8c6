/** The rows that a statement answers. */
export class Rows extends Array<Record<string, unknown>> {
  #count = 0;

  static override get [Symbol.species]() {
    return Array;
  }

  /** Rows that the statement answered, or that it changed. */
  get count(): number {
    return this.#count;
  }

  set count(count: number) {
    this.#count = count;
  }
}
