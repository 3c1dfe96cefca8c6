/** Wires the page: what comes in changes the state, and at the next frame each part shows what is new to it. */

import { startLog } from "./activity-log.js";
import { ask, Refused } from "./api.js";
import { startLetters } from "./dead-letters.js";
import { byId, fill, h, say } from "./dom.js";
import { listen } from "./event-stream.js";
import { startBreak } from "./faults.js";
import { startJourney } from "./journey.js";
import { has, onLanguage, startLanguage, t } from "./language.js";
import { emptyState, shownWrite, take } from "./state.js";
import { showHero } from "./summary.js";
import { startTheme } from "./theme.js";
import { startTopology } from "./topology.js";
import { startVerify } from "./verification.js";
import { startWriter } from "./write-form.js";

const AGAIN_MS = 2_000;
const NOTICE_MS = 8_000;

startLanguage();
startTheme();
const state = emptyState();
showHero(state, Date.now());
start(await aboutWhat());

/** What is declared and allowed here: asked for until the console answers. */
async function aboutWhat() {
  for (;;) {
    try {
      return await ask("/api/about");
    } catch {
      state.connected = false;
      showHero(state, Date.now());
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** @param {import("./state.js").About} about */
function start(about) {
  let drawing = false;
  const draw = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      showHero(state, Date.now());
      for (const part of parts) part.update();
    });
  };
  const attempt = async (/** @type {() => Promise<unknown>} */ work) => {
    try {
      await work();
      draw();
    } catch (error) {
      notice(error);
    }
  };
  const topology = startTopology(about, state);
  const parts = [
    topology,
    startJourney(about, state, draw),
    startBreak(about, state, attempt),
    startLog(state),
    startLetters(about, state, attempt),
    startVerify(about, state, attempt),
  ];
  startWriter(about, state, announce, draw);
  onLanguage(draw);
  listen(
    (event, data) => {
      take(state, event, data);
      if (event === "hops" && shownWrite(state)?.number === data.write.number) topology.pulse(data.hops);
      draw();
    },
    (connected) => {
      if (state.connected === connected) return;
      state.connected = connected;
      draw();
    },
  );
}

/** For those who listen to the page. @param {string} message */
function announce(message) {
  say(byId("announce"), message);
}

/** Says for some seconds what went wrong. @param {unknown} error */
function notice(error) {
  const refused = error instanceof Refused ? error : new Refused(0, { detail: String(error) });
  const reason = has(`failed.${refused.code}`) ? t(`failed.${refused.code}`) : t("failed.other");
  const element = h("p", { class: "notice", role: "alert" }, `${reason} ${refused.message}`);
  fill(byId("notices"), element);
  setTimeout(() => element.remove(), NOTICE_MS);
}
