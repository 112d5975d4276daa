// Sending decisions. A decision waits in the browser's storage until the server has said that it is on the disk.

import { answerOf, keptAs, RUN, UNREACHABLE } from "./asking.js";

const WAITING = keptAs("waiting");
const LONGEST_WAIT_MS = 10000;

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Refusal extends Error {}

export class Saver {
  // `onTrouble(message)` is told that something is not saved yet, and null when it is.
  constructor(onTrouble) {
    this.onTrouble = onTrouble;
    this.token = tokenIn(document);
    this.wake = () => {};
    window.addEventListener("online", () => this.wake());
    window.addEventListener("beforeunload", (event) => {
      if (this.isWaiting) event.preventDefault();
    });
  }

  get isWaiting() {
    return localStorage.getItem(WAITING) !== null;
  }

  // What an earlier visit could not send; null where there is none.
  async resume() {
    const waiting = localStorage.getItem(WAITING);
    if (waiting === null) return null;
    const { path, body } = JSON.parse(waiting);
    return this.send(path, body);
  }

  // Returns the server's answer, however long that takes. Throws Refusal where it will not take the decision.
  async send(path, body) {
    localStorage.setItem(WAITING, JSON.stringify({ path, body }));
    for (let waitMs = 500; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      const answer = await this.attempt(path, body);
      if (answer.content !== undefined) {
        localStorage.removeItem(WAITING);
        this.onTrouble(null);
        if (answer.refused) throw new Refusal(answer.content.error);
        return answer.content;
      }
      this.onTrouble(`Not saved yet: ${answer.trouble}. Your decision is kept here and sent again.`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        this.wake = () => { clearTimeout(timer); resolve(); };
      });
    }
  }

  // A refusal is of the decision; what is wrong with the server, or with who asks, can get better: it waits.
  async attempt(path, body) {
    const headers = { "Content-Type": "application/json", "X-Review-Token": this.token };
    const { response, content } = await answerOf(path, {}, { method: "POST", headers, body: JSON.stringify(body) });
    if (response === null) return { trouble: UNREACHABLE };
    if (response.ok && !content.error) return { content };
    if (response.status === 401) return { trouble: await this.renewToken() };
    if (response.ok || response.status === 403 || response.status >= 500 || content.reason === "other_run") return { trouble: content.error.replace(/\.$/, "") };
    return { content, refused: true };
  }

  // Returns what is the matter, in words.
  async renewToken() {
    const response = await fetch("/").catch(() => null);
    if (response === null || !response.ok) return UNREACHABLE;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (page.querySelector("meta[name=review-run]")?.content !== RUN) return "this page is of another run, reload";
    this.token = tokenIn(page);
    return "the server was started anew";
  }
}

function tokenIn(page) {
  return page.querySelector("meta[name=review-token]").content;
}
