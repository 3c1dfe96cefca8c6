/** The rows that a statement answers. */
export class Rows extends Array<Record<string, unknown>> {
  /** Rows that the statement answered, or that it changed. */
  declare count: number;

  constructor() {
    super();
    // As in postgres.js, the list equals a list of its rows.
    Object.defineProperty(this, "count", { value: 0, writable: true });
  }

  static override get [Symbol.species]() {
    return Array;
  }
}
