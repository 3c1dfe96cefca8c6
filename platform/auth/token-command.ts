/** `lockstep token` */
import { Command, InvalidArgumentError } from "commander";
import { scopes } from "../../contracts/scopes.ts";
import { DEFAULT_DATA } from "../stack-file.ts";

interface Flags {
  readonly scope: string;
  readonly subject: string;
  readonly for: string;
  readonly data: string;
}

const duration = (given: string): string => {
  if (!/^[1-9]\d{0,4}[smhd]$/.test(given)) throw new InvalidArgumentError("must be like 30m, 1h or 7d");
  return given;
};

/** Prints the token and nothing else on standard output, to be used as `$(lockstep token)`. */
export const tokenCommand = (): Command =>
  new Command("token")
    .description("makes a token for the stack of `bun run up --auth`: for development, where there is no real issuer")
    .option("--scope <scopes>", "what it allows, separated by spaces", scopes.join(" "))
    .option("--subject <name>", "whom it is for: events tell it as who wrote", "developer")
    .option("--for <duration>", "how long it is good: 30m, 1h, 7d", duration, "1h")
    .option("--data <dir>", "folder of the stack", DEFAULT_DATA)
    .action(async function (this: Command, { scope, subject, for: lasts, data }: Flags) {
      const { developmentToken } = await import("./development.ts");
      const token = await developmentToken(data, { scope, subject, lasts });
      if (token === undefined)
        this.error(
          `lockstep: there is no development key in ${data}: bun run up --auth makes one. A real issuer's tokens come from the issuer`,
        );
      console.error(`for development only: good for ${lasts}, signed with the key in ${data}/auth`);
      console.log(token);
    });
