// How far people agree, and how good the captions are.

import { el } from "./dom.js";

const percent = (share) => `${Math.round(100 * share)} %`;

export function resultLines({ captions, agreed, alpha, alpha_usable: usable, people, estimate }) {
  const rows = people.map((one) => el("tr", {}, el("th", { scope: "row" }, one.name), ...[one.judged, one.keep, one.fixed, one.drop].map((count) => el("td", { class: "number" }, count))));
  const head = el("tr", {}, ...["who", "judged", "accepted", "fixed", "rejected"].map((name) => el("th", { scope: "col" }, name)));
  return [
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)),
    el("p", {}, shared(captions, agreed)),
    captions ? el("p", {}, `Krippendorff's alpha ${told(alpha)} over accepted, fixed and rejected; ${told(usable)} over usable or not. 1 is full agreement, 0 is chance.`) : null,
    el("p", {}, estimate.share === null
      ? "No estimate yet of how good the captions are: none of those drawn at random has been judged."
      : `Good as they are: ${percent(estimate.share)} (95 % interval ${percent(estimate.low)} to ${percent(estimate.high)}), from ${estimate.captions} captions drawn at random.`),
  ].filter(Boolean);
}

function shared(captions, agreed) {
  if (!captions) return "No caption has been judged by two people yet.";
  return `${captions} captions were judged by at least two people, who said the same on ${agreed}.`;
}

function told(alpha) {
  return alpha === null ? "is not defined (all said the same)" : alpha.toFixed(2).replace("-", "−");
}
