/** Names of entities, members and files from the names of tables and columns. Pure. */

/** Words that a TypeScript constant cannot have as its name, and names that each declaration imports. */
const TAKEN_CONSTANTS = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof undefined var void while with yield
  aggregate bigint boolean char child cidr date defineEntity doublePrecision field inet integer interval json jsonb macaddr macaddr8
  mask numeric pgDomain pgEnum pgSchema pgTable pgType primaryKey real smallint sql text time timestamp unique uuid
  varchar`.split(/\s+/),
);

/** Letters, digits and single underscores in lower case: `Order Details` → `order_details`. Empty: nothing is left. */
export const snakeCase = (name: string): string =>
  name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .toLowerCase();

/** `order_details` → `orderDetails`. */
export const camelCase = (name: string): string =>
  snakeCase(name).replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Plurals that do not follow the rules below. */
const SINGULARS: Readonly<Record<string, string>> = {
  children: "child",
  data: "data",
  men: "man",
  movies: "movie",
  people: "person",
  series: "series",
  women: "woman",
};

/** The singular of an English noun in snake case: the last word of it. A word that is no plural stays. */
export function singular(name: string): string {
  const start = name.lastIndexOf("_") + 1;
  const word = name.slice(start);
  return name.slice(0, start) + (SINGULARS[word] ?? singularWord(word));
}

function singularWord(word: string): string {
  if (/(ss|us|is|news)$/.test(word) || word.length < 4) return word;
  if (/ies$/.test(word)) return `${word.slice(0, -3)}y`;
  if (/(sses|shes|ches|xes|zes)$/.test(word)) return word.slice(0, -2);
  if (/(status|alias|bus)es$/.test(word)) return word.slice(0, -2);
  return word.replace(/s$/, "");
}

/** Gives each name out once: a name that is taken gets a number. Letters are compared without their case. */
export class UniqueNames {
  private readonly taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.taken = new Set([...taken].map((name) => name.toLowerCase()));
  }

  /** The first free name, else the last one with a number. It is taken from then on. */
  take(...candidates: readonly [string, ...string[]]): string {
    const last = candidates.at(-1)!;
    let name = candidates.find((one) => this.isFree(one));
    for (let n = 2; name === undefined; n++) if (this.isFree(`${last}_${n}`)) name = `${last}_${n}`;
    this.taken.add(name.toLowerCase());
    return name;
  }

  private isFree(name: string): boolean {
    return !this.taken.has(name.toLowerCase());
  }
}

/** A constant of TypeScript for this name. Two names that differ have constants that differ if `taken` is shared. */
export function constantName(name: string, taken: UniqueNames): string {
  const word = camelCase(name) || "table";
  const safe = /^[a-z]/.test(word) ? word : `t${word}`;
  return TAKEN_CONSTANTS.has(safe) ? taken.take(`${safe}Rows`) : taken.take(safe, `${safe}Rows`);
}

/** Members of a document by column. A column whose name has no letters is named by its place. */
export function memberNames(columns: readonly string[], reserved: Iterable<string> = []): Map<string, string> {
  const taken = new UniqueNames(reserved);
  return new Map(
    columns.map((column, i) => {
      const word = camelCase(column);
      const safe = word === "" ? `column${i + 1}` : /^[a-z]/.test(word) ? word : `_${word}`;
      return [column, taken.take(safe)];
    }),
  );
}

/** Names of columns that hold secrets: a replica must not get them unless a person decides so. */
const SECRET = /(^|_)(pass(word|wd|code|phrase)?|secrets?|tokens?|api_?key|private_?key|salt|otp|pin|cvv|cvc)(_|$)/;

/** True when the name of a column suggests that its values are secret. */
export const isSecret = (column: string): boolean => SECRET.test(snakeCase(column));
