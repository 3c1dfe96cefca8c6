/** The page's files, imported as text: the executable contains them, and there is no build step. */
import controlsCss from "../../page/css/controls.css" with { type: "text" };
import journeyCss from "../../page/css/journey.css" with { type: "text" };
import pageCss from "../../page/css/page.css" with { type: "text" };
import panelsCss from "../../page/css/panels.css" with { type: "text" };
import summaryCss from "../../page/css/summary.css" with { type: "text" };
import tokensCss from "../../page/css/tokens.css" with { type: "text" };
import topologyCss from "../../page/css/topology.css" with { type: "text" };
import iconSvg from "../../page/icon.svg" with { type: "text" };
import indexHtml from "../../page/index.html" with { type: "text" };
import activityLogJs from "../../page/js/activity-log.js" with { type: "text" };
import apiJs from "../../page/js/api.js" with { type: "text" };
import conditionTextsJs from "../../page/js/condition-texts.js" with { type: "text" };
import conditionsJs from "../../page/js/conditions.js" with { type: "text" };
import controlsJs from "../../page/js/controls.js" with { type: "text" };
import deadLetterDialogJs from "../../page/js/dead-letter-dialog.js" with { type: "text" };
import deadLettersJs from "../../page/js/dead-letters.js" with { type: "text" };
import domJs from "../../page/js/dom.js" with { type: "text" };
import eventStreamJs from "../../page/js/event-stream.js" with { type: "text" };
import faultsJs from "../../page/js/faults.js" with { type: "text" };
import fieldsJs from "../../page/js/fields.js" with { type: "text" };
import formValuesJs from "../../page/js/form-values.js" with { type: "text" };
import healthJs from "../../page/js/health.js" with { type: "text" };
import journeyJs from "../../page/js/journey.js" with { type: "text" };
import languageJs from "../../page/js/language.js" with { type: "text" };
import mainJs from "../../page/js/main.js" with { type: "text" };
import overallStateJs from "../../page/js/overall-state.js" with { type: "text" };
import stateJs from "../../page/js/state.js" with { type: "text" };
import storageJs from "../../page/js/storage.js" with { type: "text" };
import summaryJs from "../../page/js/summary.js" with { type: "text" };
import textsJs from "../../page/js/texts.js" with { type: "text" };
import themeJs from "../../page/js/theme.js" with { type: "text" };
import topologyJs from "../../page/js/topology.js" with { type: "text" };
import topologyDrawingJs from "../../page/js/topology-drawing.js" with { type: "text" };
import topologyLayoutJs from "../../page/js/topology-layout.js" with { type: "text" };
import topologyStatusJs from "../../page/js/topology-status.js" with { type: "text" };
import verificationJs from "../../page/js/verification.js" with { type: "text" };
import writeFormJs from "../../page/js/write-form.js" with { type: "text" };

/** Text of each file by its URL path. */
export const assets: Readonly<Record<string, string>> = {
  // Bun's types declare an imported .html file as a bundle; with `type: "text"` it is a string.
  "/index.html": indexHtml as unknown as string,
  "/icon.svg": iconSvg,
  "/css/controls.css": controlsCss,
  "/css/journey.css": journeyCss,
  "/css/page.css": pageCss,
  "/css/panels.css": panelsCss,
  "/css/summary.css": summaryCss,
  "/css/tokens.css": tokensCss,
  "/css/topology.css": topologyCss,
  "/js/activity-log.js": activityLogJs,
  "/js/api.js": apiJs,
  "/js/condition-texts.js": conditionTextsJs,
  "/js/conditions.js": conditionsJs,
  "/js/controls.js": controlsJs,
  "/js/dead-letter-dialog.js": deadLetterDialogJs,
  "/js/dead-letters.js": deadLettersJs,
  "/js/dom.js": domJs,
  "/js/event-stream.js": eventStreamJs,
  "/js/faults.js": faultsJs,
  "/js/fields.js": fieldsJs,
  "/js/form-values.js": formValuesJs,
  "/js/health.js": healthJs,
  "/js/journey.js": journeyJs,
  "/js/language.js": languageJs,
  "/js/main.js": mainJs,
  "/js/overall-state.js": overallStateJs,
  "/js/state.js": stateJs,
  "/js/storage.js": storageJs,
  "/js/summary.js": summaryJs,
  "/js/texts.js": textsJs,
  "/js/theme.js": themeJs,
  "/js/topology-drawing.js": topologyDrawingJs,
  "/js/topology-layout.js": topologyLayoutJs,
  "/js/topology-status.js": topologyStatusJs,
  "/js/topology.js": topologyJs,
  "/js/verification.js": verificationJs,
  "/js/write-form.js": writeFormJs,
};
