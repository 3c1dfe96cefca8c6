/** The page's files, as texts inside the program: nothing is built, and nothing is read from a disk. */
import controlsCss from "../../page/css/controls.css" with { type: "text" };
import pageCss from "../../page/css/page.css" with { type: "text" };
import panelsCss from "../../page/css/panels.css" with { type: "text" };
import tokensCss from "../../page/css/tokens.css" with { type: "text" };
import topologyCss from "../../page/css/topology.css" with { type: "text" };
import iconSvg from "../../page/icon.svg" with { type: "text" };
import indexHtml from "../../page/index.html" with { type: "text" };
import apiJs from "../../page/js/api.js" with { type: "text" };
import breakJs from "../../page/js/break.js" with { type: "text" };
import domJs from "../../page/js/dom.js" with { type: "text" };
import fieldsJs from "../../page/js/fields.js" with { type: "text" };
import healthJs from "../../page/js/health.js" with { type: "text" };
import heroJs from "../../page/js/hero.js" with { type: "text" };
import journeyJs from "../../page/js/journey.js" with { type: "text" };
import languageJs from "../../page/js/language.js" with { type: "text" };
import layoutJs from "../../page/js/layout.js" with { type: "text" };
import letterJs from "../../page/js/letter.js" with { type: "text" };
import lettersJs from "../../page/js/letters.js" with { type: "text" };
import logJs from "../../page/js/log.js" with { type: "text" };
import mainJs from "../../page/js/main.js" with { type: "text" };
import stateJs from "../../page/js/state.js" with { type: "text" };
import streamJs from "../../page/js/stream.js" with { type: "text" };
import textsJs from "../../page/js/texts.js" with { type: "text" };
import themeJs from "../../page/js/theme.js" with { type: "text" };
import topologyJs from "../../page/js/topology.js" with { type: "text" };
import verifyJs from "../../page/js/verify.js" with { type: "text" };
import writerJs from "../../page/js/writer.js" with { type: "text" };

/** Each file by its path. */
export const assets: Readonly<Record<string, string>> = {
  // Bun's types take every page for one that it is to bundle; imported as text it is a text.
  "/index.html": indexHtml as unknown as string,
  "/icon.svg": iconSvg,
  "/css/controls.css": controlsCss,
  "/css/page.css": pageCss,
  "/css/panels.css": panelsCss,
  "/css/tokens.css": tokensCss,
  "/css/topology.css": topologyCss,
  "/js/api.js": apiJs,
  "/js/break.js": breakJs,
  "/js/dom.js": domJs,
  "/js/fields.js": fieldsJs,
  "/js/health.js": healthJs,
  "/js/hero.js": heroJs,
  "/js/journey.js": journeyJs,
  "/js/language.js": languageJs,
  "/js/layout.js": layoutJs,
  "/js/letter.js": letterJs,
  "/js/letters.js": lettersJs,
  "/js/log.js": logJs,
  "/js/main.js": mainJs,
  "/js/state.js": stateJs,
  "/js/stream.js": streamJs,
  "/js/texts.js": textsJs,
  "/js/theme.js": themeJs,
  "/js/topology.js": topologyJs,
  "/js/verify.js": verifyJs,
  "/js/writer.js": writerJs,
};
