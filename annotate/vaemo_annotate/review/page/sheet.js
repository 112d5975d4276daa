// The caption beside the clip: texts with judged claims, findings, affect, measured cues, and what is shown on demand.

import { el, short, signed, svg } from "./dom.js";

export const STATES = {
  supported: "supported by the measurement",
  contradicted: "contradicted",
  unclear: "too close to tell",
  not_measurable: "not measurable",
  finding: "found by check",
};
const WORDS = { keep: "accepted", drop: "rejected", fixed: "fixed" };
const SIDE = 96;

// `reasons` are texts by reason; `onSamples` returns a promise of the clip's other samples.
export function sheet(caption, total, reasons, onSamples) {
  return [
    heading(caption, total, reasons),
    el("div", { class: "affect" }, circumplex(caption), affectFacts(caption)),
    ...texts(caption),
    note(caption),
    findings(caption),
    cueTable(caption),
    label(caption),
    samples(caption, onSamples),
  ].filter(Boolean);
}

function heading(caption, total, reasons) {
  const sample = caption.other_samples ? ` · sample ${caption.sample_index + 1} of ${caption.other_samples + 1}` : "";
  const media = [caption.has_video ? "picture" : "no picture", caption.has_audio ? "sound" : "no sound"].join(", ");
  return el(
    "div", { class: "heading" },
    el("h2", {}, `Caption ${caption.place + 1} of ${total}`),
    el("span", { class: "soft" }, `${caption.duration_s.toFixed(1)} s · ${media}${sample}`),
    caption.own ? el("span", { class: `badge ${caption.own.verdict}` }, ownText(caption.own, reasons)) : null,
  );
}

function ownText(own, reasons) {
  const why = own.reasons.map((reason) => reasons[reason] ?? reason).join(", ");
  return `you ${WORDS[own.verdict]} it${why ? `: ${why}` : ""}`;
}

function affectFacts(caption) {
  const words = caption.emotions.length ? caption.emotions : ["no emotion named"];
  const numbers = ["valence", "arousal"].map((name) => fact(name, signed(caption[name])));
  const confidence = fact("confidence", caption.confidence === null ? "–" : caption.confidence.toFixed(2));
  return el(
    "div", {},
    el("ul", { class: "emotions", "aria-label": "Emotions" }, ...words.map((word) => el("li", {}, word))),
    el("dl", { class: "facts number" }, ...numbers, confidence),
    el("div", { class: "soft model" }, caption.model),
  );
}

function fact(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

function circumplex(caption) {
  const { valence, arousal } = caption;
  const at = (value) => SIDE / 2 + (value ?? 0) * (SIDE / 2 - 8);
  const known = valence !== null || arousal !== null;
  const dot = known ? svg("circle", { cx: at(valence), cy: SIDE - at(arousal), r: 5, class: valence === null || arousal === null ? "dot half" : "dot" }) : null;
  const title = `valence ${signed(valence)}, arousal ${signed(arousal)}`;
  return svg(
    "svg", { class: "circumplex", viewBox: `0 0 ${SIDE} ${SIDE}`, width: SIDE, height: SIDE, role: "img", "aria-label": title },
    svg("circle", { cx: SIDE / 2, cy: SIDE / 2, r: SIDE / 2 - 2, class: "rim" }),
    svg("path", { d: `M4 ${SIDE / 2}H${SIDE - 4}M${SIDE / 2} 4V${SIDE - 4}`, class: "axes" }),
    svg("text", { x: SIDE - 5, y: SIDE / 2 + 11, "text-anchor": "end" }, "pleasant"),
    svg("text", { x: SIDE / 2 + 3, y: 11 }, "active"),
    ...(dot ? [dot] : []),
  );
}

function texts(caption) {
  return caption.texts.map((text) => {
    const isFixed = text.column === "affect_description" && caption.own?.fixed_description;
    const shown = isFixed ? [el("ins", {}, caption.own.fixed_description)] : text.pieces.map(piece);
    const empty = shown.length ? [] : [el("span", { class: "soft" }, "nothing said")];
    return el("div", { class: "text" }, el("h3", {}, text.title, isFixed ? el("span", { class: "soft" }, " as you fixed it") : null), el("p", {}, ...shown, ...empty));
  });
}

function piece({ text, states, notes }) {
  if (!states.length) return document.createTextNode(text);
  const mark = el("span", { class: `claim ${states.join(" ")}`, title: notes.join("\n"), tabindex: 0 }, text);
  const spoken = el("span", { class: "unseen" }, ` (${states.map((state) => STATES[state] ?? state).join(", ")})`);
  return el("span", {}, mark, spoken);
}

// The legend, and what was measured of the claim that is pointed at, tapped or tabbed to.
function note(caption) {
  const present = new Set(caption.texts.flatMap((text) => text.pieces.flatMap((one) => one.states)));
  if (!present.size) return null;
  const items = Object.entries(STATES).filter(([state]) => present.has(state));
  const legend = el("span", { class: "legend", "aria-hidden": "true" }, ...items.map(([state, words]) => el("span", { class: `claim ${state}` }, words)));
  return el("div", { class: "note soft" }, legend, el("p", { id: "note" }, "Point at a claim, or tab to it, to see what was measured."));
}

export function showNote(event) {
  const claim = event.target.closest?.(".text .claim");
  if (claim) document.getElementById("note").textContent = claim.title;
}

function findings(caption) {
  if (!caption.findings.length) return null;
  const items = caption.findings.map((one) =>
    el("li", {}, el("code", {}, one.reason), one.detail ? ` ${one.detail}` : "", one.column ? el("span", { class: "soft" }, ` (${one.column})`) : null));
  const said = { keep: "check kept it, but found", drop: "check dropped it", fixed: "check found" }[caption.software] ?? "the rules of check find";
  return el("div", { class: "findings" }, el("h3", {}, said), el("ul", {}, ...items));
}

function cueTable(caption) {
  if (!caption.cues.length) return null;
  const distance = (cue) => cue.speaker_sd ?? cue.population_sd;
  const rank = (cue) => (cue.state === "not_measurable" ? -1 : Math.abs(distance(cue) ?? 0));
  const ordered = [...caption.cues].sort((one, other) => rank(other) - rank(one));
  const head = el("tr", {}, ...["cue", "value", "distance (sd)", "against"].map((name) => el("th", { scope: "col" }, name)));
  const rows = ordered.map((cue) => {
    const sd = distance(cue);
    const value = cue.value === null ? el("span", { class: "soft" }, cue.reason ?? "not measurable") : el("span", {}, short(cue.value), el("span", { class: "soft" }, ` ${cue.unit}`));
    const against = sd === null ? "" : cue.speaker_sd === null ? "people" : "speaker";
    const weak = cue.state === "weak" ? el("span", { class: "soft" }, " weak") : null;
    return el("tr", { class: cue.state }, el("th", { scope: "row" }, cue.label, weak), el("td", {}, value), el("td", { class: "sd" }, sdBar(sd)), el("td", { class: "soft" }, against));
  });
  return el("details", { class: "cues", open: window.innerWidth > 700 }, el("summary", {}, `Measured cues (${caption.cues.length}), what stands out first`), el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
}

function sdBar(sd) {
  if (sd === null) return "";
  const reach = Math.min(Math.abs(sd), 4) * 10;
  const bar = svg("svg", { class: "sd-bar", viewBox: "0 0 80 10", width: 80, height: 10, "aria-hidden": "true" },
    svg("rect", { x: sd < 0 ? 40 - reach : 40, y: 2, width: reach, height: 6, class: Math.abs(sd) > 1.5 ? "far" : "near" }),
    svg("path", { d: "M40 0V10", class: "axes" }));
  return el("span", { class: "number" }, bar, ` ${signed(sd, 1)}`);
}

function label(caption) {
  const rows = [["clip", caption.clip_id], ...caption.gold.map((one) => [one.name, one.value])];
  return el("details", { id: "label" }, el("summary", {}, "Name and label of the clip ", el("kbd", {}, "l")), el("dl", { class: "gold" }, ...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
}

function samples(caption, onSamples) {
  if (!caption.other_samples) return null;
  const list = el("div", {}, "…");
  const details = el("details", {}, el("summary", {}, `Other samples of this clip (${caption.other_samples})`), list);
  let isKnown = false;
  details.addEventListener("toggle", async () => {
    if (!details.open || isKnown) return;
    const found = await onSamples().catch((error) => { list.textContent = `They cannot be shown: ${error.message}`; return null; });
    if (found === null) return;
    isKnown = true;
    list.replaceChildren(...found.map((one) => el("div", { class: "other" }, el("h3", {}, `sample ${one.sample_index + 1}: ${one.emotions.join(", ") || "no emotion named"}`), el("p", {}, one.texts.map((text) => text.pieces.map((part) => part.text).join("")).join(" ")))));
  });
  return details;
}
