// What must be seen: a trouble until it is over, and every decision that was refused until somebody has read it.

import { keptAs } from "./asking.js";
import { byId, el } from "./dom.js";

const REFUSED = keptAs("refused");

export class Alarm {
  constructor() {
    this.trouble = null;
    this.canRetry = false;
    byId("dismiss").addEventListener("click", () => {
      localStorage.removeItem(REFUSED);
      this.draw();
    });
    this.draw();
  }

  get refusals() {
    return JSON.parse(localStorage.getItem(REFUSED) ?? "[]");
  }

  // `trouble` null: it is over.
  show(trouble, canRetry = false) {
    this.trouble = trouble;
    this.canRetry = canRetry;
    this.draw();
  }

  keep(refusal) {
    localStorage.setItem(REFUSED, JSON.stringify([...this.refusals, refusal]));
    this.draw();
  }

  draw() {
    const { refusals } = this;
    const lines = [...refusals, ...(this.trouble ? [this.trouble] : [])];
    const isNew = byId("alarm-text").textContent !== lines.join("");
    if (isNew) byId("alarm-text").replaceChildren(...lines.map((line) => el("div", {}, line)));
    byId("alarm").hidden = !lines.length;
    byId("dismiss").hidden = !refusals.length;
    byId("retry").hidden = !this.canRetry;
  }
}
