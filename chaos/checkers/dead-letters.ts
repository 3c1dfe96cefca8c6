/** P6: each record that cannot be processed becomes one dead letter with its original bytes, and nothing else does. */
import type { Checker } from "../checker.ts";

/** Compares the dead letters with the records that faults have planted. */
export const deadLetters: Checker = {
  name: "dead-letters",
  promises: ["P6"],
  proves:
    "Each planted invalid record has become a dead letter with its original bytes, and no other record has. All other " +
    "entities arrived, which the equality of the copies shows.",
  cannotSee: "A delay of other entities below the 30 s in which all copies must be equal.",
  check: ({ planted, atRest }) => {
    const violation = (sentence: string) => ({ promise: "P6", sentence, operations: [] });
    const poison = planted.filter(({ kind }) => kind === "poison");
    const originOf = ({ topic, partition, offset }: (typeof poison)[number]) => `${topic}/${partition}/${offset}`;
    const origins = new Set(poison.map(originOf));
    const found = new Set(atRest.deadLetters.map(({ origin }) => origin));
    return [
      ...poison
        .filter((record) => !found.has(originOf(record)))
        .map((record) => violation(`The invalid record at ${originOf(record)} has no dead letter`)),
      ...atRest.deadLetters
        .filter(({ origin }) => !origins.has(origin))
        .map(({ origin, reason }) =>
          violation(`The record at ${origin} became a dead letter (${reason}), and is valid`),
        ),
      ...atRest.deadLetters
        .filter(({ isOriginal }) => isOriginal === false)
        .map(({ origin }) => violation(`The dead letter of ${origin} has other bytes than the record`)),
    ];
  },
};
