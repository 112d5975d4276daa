// The clip itself: picture and sound, its clock, and the timeline that goes with it.

import { address, answerOf } from "./asking.js";
import { Timeline } from "./curves.js";
import { byId } from "./dom.js";

export class Player {
  // `say` tells people who listen to the page.
  constructor(say) {
    this.say = say;
    this.caption = null;
    this.video = byId("video");
    this.timeline = new Timeline(byId("timeline"), this.video);
    this.video.addEventListener("error", () => this.showWhyNot());
    this.video.addEventListener("click", () => this.toggle());
    byId("play").addEventListener("click", () => this.toggle());
    byId("mute").addEventListener("change", (event) => { this.video.muted = event.target.checked; });
    for (const name of ["play", "seeked"]) this.video.addEventListener(name, () => this.tick());
    for (const name of ["pause", "ended", "loadedmetadata"]) this.video.addEventListener(name, () => this.showClock());
  }

  async show(caption) {
    this.caption = caption;
    byId("no-media").hidden = true;
    document.body.classList.toggle("sound-only", !caption.has_video);
    this.video.src = address(`/media/${caption.place}/preview`);
    if (byId("autoplay").checked) this.video.play().catch(() => {}); // a browser may want a key pressed first
    this.timeline.begin(caption, caption.has_video ? address(`/media/${caption.place}/strip`) : null);
    this.showClock();
    const { content: course } = await answerOf(`/media/${caption.place}/course`);
    if (this.caption !== caption) return;
    if (course.error) this.timeline.say(`no curves: ${course.error}`);
    else this.timeline.show(course);
  }

  end() {
    this.caption = null;
    this.video.removeAttribute("src");
    this.video.load();
    byId("no-media").hidden = true;
    byId("timeline").replaceChildren();
  }

  toggle() {
    if (!this.video.paused) this.video.pause();
    else this.video.play().catch(() => this.say("This clip cannot be played."));
  }

  tick() {
    if (!this.caption) return;
    this.timeline.move(this.video.currentTime || 0);
    this.showClock();
    if (!this.video.paused) requestAnimationFrame(() => this.tick());
  }

  showClock() {
    const timeS = this.video.currentTime || 0;
    byId("clock").textContent = this.caption ? `${timeS.toFixed(1)} / ${this.caption.duration_s.toFixed(1)} s` : "";
    byId("play-word").textContent = this.video.paused ? "Play" : "Pause";
  }

  async showWhyNot() {
    if (!this.video.getAttribute("src")) return;
    const { caption } = this;
    const { response, content } = await answerOf(`/media/${caption.place}/preview`);
    const why = response?.ok ? "this browser does not play it" : content.error;
    if (this.caption !== caption) return;
    byId("no-media").textContent = `This clip cannot be played: ${why}`;
    byId("no-media").hidden = false;
  }
}
