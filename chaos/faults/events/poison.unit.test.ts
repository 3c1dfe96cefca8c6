import { expect, test } from "bun:test";
import { product } from "../../../tests/project/index.ts";
import { seededRandom } from "../../random.ts";
import { poisonOf } from "./poison.ts";

const plants = (seed: string) => poisonOf(product, 6, seededRandom(seed), 20);

test("one seed gives the same invalid records", () => {
  expect(plants("3")).toEqual(plants("3"));
});

test("each invalid record has bytes of its own", () => {
  const bytes = ["3", "4"].flatMap(plants).map(({ message }) => JSON.stringify(message));
  expect(new Set(bytes).size).toBe(40);
});
