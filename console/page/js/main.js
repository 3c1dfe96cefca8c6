/** Starts the page: events change the state, and at the next animation frame each panel draws what has changed. */
import { startActivityLog } from "./activity-log.js";
import { ApiError, get } from "./api.js";
import { startConditions } from "./conditions.js";
import { DeadLetterPanel } from "./dead-letters.js";
import { byId, fill, h, setText } from "./dom.js";
import { openEventStream } from "./event-stream.js";
import { FaultPanel } from "./faults.js";
import { JourneyPanel } from "./journey.js";
import { hasText, onLanguage, startLanguage, t } from "./language.js";
import { applyEvent, emptyState, shownWrite } from "./state.js";
import { drawSummary } from "./summary.js";
import { startTheme } from "./theme.js";
import { TopologyPanel } from "./topology.js";
import { VerificationPanel } from "./verification.js";
import { WriteForm } from "./write-form.js";

const RETRY_MS = 2_000;
const NOTICE_MS = 8_000;

startLanguage();
startTheme();
const state = emptyState();
drawSummary(state, Date.now());
start(await readAbout());

/** Reads the declarations and permissions; repeats the request until the console answers. */
async function readAbout() {
  for (;;) {
    try {
      return await get("/api/about");
    } catch {
      state.connected = false;
      drawSummary(state, Date.now());
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** @param {import("./state.js").About} about */
function start(about) {
  /** @type {{ update: () => void }[]} */
  const panels = [];
  let isScheduled = false;
  const redraw = () => {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => {
      isScheduled = false;
      drawSummary(state, Date.now());
      for (const panel of panels) panel.update();
    });
  };
  const attempt = async (/** @type {() => Promise<unknown>} */ work) => {
    try {
      await work();
      redraw();
    } catch (error) {
      showNotice(error);
    }
  };
  const page = { about, state, attempt, redraw, announce };
  const topology = new TopologyPanel(page);
  panels.push(
    startConditions(page),
    topology,
    new JourneyPanel(page),
    new FaultPanel(page),
    startActivityLog(page),
    new DeadLetterPanel(page),
    new VerificationPanel(page),
  );
  new WriteForm(page);
  onLanguage(redraw);
  openEventStream(
    (event, data) => {
      applyEvent(state, event, data);
      if (event === "hops" && shownWrite(state)?.number === data.write.number) topology.pulse(data.hops);
      redraw();
    },
    (connected) => {
      if (state.connected === connected) return;
      state.connected = connected;
      redraw();
    },
  );
}

/** Tells screen readers a message. @param {string} message */
function announce(message) {
  setText(byId("announce"), message);
}

/** Shows an error for 8 s. @param {unknown} error */
function showNotice(error) {
  const { code, message } = error instanceof ApiError ? error : new ApiError(0, { detail: String(error) });
  const reason = hasText(`error.${code}`) ? t(`error.${code}`) : t("error.other");
  const element = h("p", { class: "notice", role: "alert" }, `${reason} ${message}`);
  fill(byId("notices"), element);
  setTimeout(() => element.remove(), NOTICE_MS);
}
