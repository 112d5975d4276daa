// The page's course: which caption is shown, what is decided on it, and the keys for all of that.

import { Alarm } from "./alarm.js";
import { answerOf, ask } from "./asking.js";
import { byId, el } from "./dom.js";
import { Player } from "./player.js";
import { resultLines } from "./results.js";
import { newId, Refusal, Saver } from "./saving.js";
import { sheet, showNote, STATES } from "./sheet.js";

const player = new Player(say);
const alarm = new Alarm();
const saver = new Saver(showTrouble);
const PANELS = ["deciding", "fixing", "rejecting"];
const KEYS = { a: accept, f: openFix, r: openReject, u: undo, j: next, ArrowRight: next, k: previous, ArrowLeft: previous, l: toggleLabel, "?": openHelp };
const ONCE = new Set(["a", "f", "r", "u"]);

let facts = null;
let annotator = null;
let caption = null;
let isBusy = false;
let panel = "deciding";

// --- what is shown

function get(path, parameters = {}) {
  return ask(path, { annotator, ...parameters });
}

async function show(content, said = "") {
  caption = content.caption;
  setName(content.annotator);
  showProgress(content.progress);
  open("deciding");
  document.body.classList.toggle("done", caption === null);
  if (caption === null) showEnd();
  else showCaption();
  lock();
  const place = caption === null ? "All captions are judged." : `Caption ${caption.place + 1} of ${facts.total}.`;
  say(`${said} ${place}`.trim());
}

function showCaption() {
  const reasons = Object.fromEntries(facts.reasons.map(({ reason, text }) => [reason, text]));
  const { place } = caption;
  byId("caption").replaceChildren(...sheet(caption, facts.total, reasons, () => get(`/api/captions/${place}/samples`)));
  byId("caption").scrollTop = 0;
  window.scrollTo(0, 0);
  byId("caption").focus({ preventScroll: true });
  player.show(caption);
}

function showEnd() {
  player.end();
  const more = el("button", {}, "Look at the agreement");
  more.addEventListener("click", openResults);
  const told = "Every decision is saved. End the server with Ctrl-C in its terminal: it prints the summary and what to do next.";
  byId("caption").replaceChildren(el("h2", {}, "Everything is judged."), el("p", {}, told), more);
  byId("caption").focus({ preventScroll: true });
}

function showProgress({ judged, left, per_hour: perHour }) {
  const speed = perHour === null ? "" : ` · ${Math.round(perHour)} an hour`;
  byId("progress").textContent = `${judged} judged · ${left} left${speed}`;
  byId("bar").setAttribute("aria-valuemax", judged + left);
  byId("bar").setAttribute("aria-valuenow", judged);
  byId("bar-fill").style.width = `${(100 * judged) / Math.max(judged + left, 1)}%`;
}

function showTrouble(message) {
  alarm.show(message, message !== null && saver.isWaiting);
}

function showError(error, what = "") {
  say(error.message);
  if (error instanceof Refusal) alarm.keep(`${what || "A decision"} was not taken: ${error.message}`);
  else showTrouble(`${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}`);
}

function say(text) {
  byId("live").textContent = text;
}

function lock() {
  for (const id of ["accept", "fix", "reject"]) byId(id).disabled = isBusy || caption === null;
  for (const id of ["undo", "next", "previous", "save-fix", "no-reason"]) byId(id).disabled = isBusy;
}

// --- what is done

// One thing at a time: what comes in between is not done, so that no key falls on a caption that nobody has seen.
async function alone(action) {
  if (isBusy || facts === null) return;
  isBusy = true;
  lock();
  try {
    await action();
    showTrouble(null);
  } catch (error) {
    showError(error);
  } finally {
    isBusy = false;
    lock();
  }
}

function decide(verdict, word, details = {}) {
  return alone(async () => {
    const { clip_id, sample_index, caption_sha256, place } = caption;
    await saver.send("/api/decisions", { decision_id: newId(), annotator, clip_id, sample_index, caption_sha256, verdict, ...details });
    await show(await get("/api/next", { after: place }), `${word}, saved.`);
  });
}

function accept() {
  if (caption) decide("keep", "Accepted");
}

function openFix() {
  if (!caption || isBusy) return;
  open("fixing");
  byId("fixed").value = caption.own?.fixed_description ?? original();
  byId("fixed").focus();
  say("Fixing. Control Enter saves, Escape leaves.");
}

function original() {
  return caption.texts.find((text) => text.column === "affect_description").pieces.map((piece) => piece.text).join("");
}

function saveFix() {
  const text = byId("fixed").value.trim();
  if (!text) say("There is no text; reject the caption instead, or leave with Escape.");
  else if (text === original().trim()) say("Nothing is changed; accept it, or change the text.");
  else decide("fixed", "Fixed", { fixed_description: text });
}

function openReject() {
  if (!caption || isBusy) return;
  open("rejecting");
  byId("rejecting").focus();
  say("Why is it rejected? A digit, or Enter without a reason.");
}

function reject(reason) {
  if (caption) decide("drop", "Rejected", { reasons: reason ? [reason] : [] });
}

function undo() {
  return alone(async () => {
    const { undone, place } = await saver.send("/api/undo", { decision_id: newId(), annotator });
    if (!undone) say("There is nothing to undo since the server began.");
    else if (place === null) say("Undone; its caption is not in this review.");
    else await show(await get(`/api/captions/${place}`), "Undone.");
  });
}

function next() {
  return alone(async () => show(await get("/api/next", { after: caption ? caption.place : -1 })));
}

function previous() {
  const place = caption ? caption.place - 1 : facts.total - 1;
  if (place < 0) say("This is the first caption.");
  else alone(async () => show(await get(`/api/captions/${place}`)));
}

function toggleLabel() {
  const label = byId("label");
  if (label) label.open = !label.open;
  if (label?.open) label.scrollIntoView({ block: "nearest" });
}

function open(name) {
  panel = name;
  for (const id of PANELS) byId(id).hidden = id !== name;
}

function leave() {
  open("deciding");
  byId("caption").focus({ preventScroll: true });
  say("Left; nothing is decided.");
}

function openHelp() {
  byId("help-dialog").showModal();
}

async function openResults() {
  try {
    byId("results").replaceChildren(...resultLines(await get("/api/results")));
    if (!byId("results-dialog").open) byId("results-dialog").showModal();
  } catch (error) {
    showError(error);
  }
}

// --- keys and buttons

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("textarea, input:not([type=checkbox])")) return;
  const isControl = event.target.matches("button, summary, a, input");
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // with Caps Lock or Shift, too
  if (event.key === " ") {
    if (isControl) return;
    event.preventDefault();
    player.toggle();
  } else if (panel === "rejecting") {
    onReasonKey(event, isControl);
  } else if (key in KEYS && (key.length > 1 || byId("letters").checked)) {
    event.preventDefault();
    if (!(event.repeat && ONCE.has(key))) KEYS[key]();
  }
}

function onReasonKey(event, isControl) {
  const chosen = facts.reasons[Number(event.key) - 1];
  if (event.key === "Escape") leave();
  else if (event.key === "Enter" && !isControl) reject(null);
  else if (chosen && !event.repeat) reject(chosen.reason);
  else return;
  event.preventDefault();
}

function onFixKey(event) {
  if (event.key === "Escape") leave();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) saveFix();
  else return;
  event.preventDefault();
}

function wire() {
  const clicks = { accept, fix: openFix, reject: openReject, undo, next, previous, "save-fix": saveFix, "leave-fix": leave, "no-reason": () => reject(null), "leave-reject": leave, retry: () => saver.wake(), who: askName, "open-results": openResults, "open-help": openHelp, theme: turnTheme };
  for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", action);
  for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
  document.addEventListener("keydown", onKey);
  for (const name of ["mouseover", "focusin", "click"]) byId("caption").addEventListener(name, showNote);
  byId("fixed").addEventListener("keydown", onFixKey);
  byId("legend").replaceChildren(...Object.entries(STATES).map(([state, words]) => el("span", { class: `claim ${state}` }, words)));
}

// --- who judges, and how it looks

async function askName() {
  if (facts.annotator) return;
  const dialog = byId("name-dialog"), field = byId("name");
  field.value = annotator ?? "";
  dialog.showModal();
  field.select();
}

function wireName() {
  const take = async () => {
    const name = byId("name").value.trim();
    if (!name) { byId("name-fault").textContent = "Give a name."; return; }
    const { response, content } = await answerOf("/api/next", { annotator: name });
    if (!response?.ok) { byId("name-fault").textContent = content.error; return; }
    byId("name-fault").textContent = "";
    byId("name-dialog").close();
    show(content);
  };
  byId("save-name").addEventListener("click", take);
  byId("name").addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); take(); } });
  byId("name-dialog").addEventListener("cancel", (event) => { if (annotator === null) event.preventDefault(); });
}

function setName(name) {
  annotator = name;
  localStorage.setItem("vaemo-review-name", name);
  byId("who").textContent = name;
  byId("who").setAttribute("aria-label", `${name} judges; change the name`);
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function turnTheme() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const theme = dark === "dark" ? "light" : "dark";
  localStorage.setItem("vaemo-review-theme", theme);
  setTheme(theme);
}

async function begin() {
  history.replaceState(null, "", "/"); // the key is a cookie now
  setTheme(localStorage.getItem("vaemo-review-theme"));
  wire();
  wireName();
  facts = await ask("/api/session");
  byId("run").textContent = facts.run;
  document.title = `Review ${facts.run}`;
  byId("reasons").replaceChildren(...facts.reasons.map(({ reason, text }, index) => {
    const button = el("button", {}, el("kbd", {}, index + 1), el("span", {}, text));
    button.addEventListener("click", () => reject(reason));
    return button;
  }));
  const known = facts.annotator ?? localStorage.getItem("vaemo-review-name");
  const late = await saver.resume().catch((error) => { showError(error, "A decision of your last visit"); return null; });
  if (known === null) { askName(); return; }
  setName(known);
  await alone(async () => show(await get("/api/next", { after: -1 }), late ? "What could not be saved before is saved now." : ""));
}

begin().catch((error) => showTrouble(`The page could not begin (${error.message}). Reload it when that is mended.`));
