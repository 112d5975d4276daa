// Sending decisions. A decision waits in the browser's storage until the server has said that it is on the disk.

const WAITING = "vaemo-review-waiting";
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
    this.token = document.querySelector("meta[name=review-token]").content;
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

  async attempt(path, body) {
    try {
      const headers = { "Content-Type": "application/json", "X-Review-Token": this.token };
      const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
      if (response.status === 401) {
        await this.renewToken();
        return { trouble: "the server was started anew" };
      }
      const content = await response.json();
      if (response.status >= 500) return { trouble: content.error };
      return { content, refused: !response.ok };
    } catch (error) {
      return { trouble: "the server does not answer; is it still running?" };
    }
  }

  async renewToken() {
    const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
    this.token = page.querySelector("meta[name=review-token]").content;
  }
}
