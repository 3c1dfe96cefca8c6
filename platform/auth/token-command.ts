/** The command `lockstep token`. */
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

/** Prints only the token on standard output, so that `$(lockstep token)` works. */
export const tokenCommand = (): Command =>
  new Command("token")
    .description("issues a token for a stack started with `bun run up --auth`; for development only")
    .option("--scope <scopes>", "scopes of the token, separated by spaces", scopes.join(" "))
    .option("--subject <name>", "subject of the token; events name it as their author", "developer")
    .option("--for <duration>", "lifetime of the token: 30m, 1h, 7d", duration, "1h")
    .option("--data <dir>", "data folder of the stack", DEFAULT_DATA)
    .action(async function (this: Command, { scope, subject, for: lifetime, data }: Flags) {
      const { developmentToken } = await import("./development.ts");
      const token = await developmentToken(data, { scope, subject, lifetime });
      if (token === undefined)
        this.error(
          `lockstep: no development key in ${data}; create one with \`bun run up --auth\`, ` +
            "or request a token from your own issuer",
        );
      console.error(`for development only: valid for ${lifetime}, signed with the key in ${data}/auth`);
      console.log(token);
    });
