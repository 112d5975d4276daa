// The clip over time: frames, sound, and the cues as curves, with one playhead through all of them.

import { el, short, signed, svg } from "./dom.js";

const HEIGHT = 40;
const WIDTH = 1000;
const SEEK_S = 0.25;

export class Timeline {
  constructor(root, video) {
    this.root = root;
    this.video = video;
    this.course = null;
    this.durationS = 0;
    this.readouts = [];
    root.addEventListener("pointerdown", (event) => this.drag(event));
    root.addEventListener("pointermove", (event) => { if (event.buttons & 1) this.seekTo(event); });
    root.addEventListener("keydown", (event) => this.onKey(event));
  }

  // Shows what is known at once; the course comes later, with `show` or `say`.
  begin(caption, stripUrl) {
    this.durationS = caption.duration_s;
    this.course = null;
    this.readouts = [];
    this.playhead = el("div", { class: "playhead", "aria-hidden": "true" });
    this.area = el("div", { class: "area" }, this.playhead);
    this.message = el("p", { class: "soft wait" }, "measuring the course of face and voice …");
    const strip = stripUrl ? el("img", { class: "strip", src: stripUrl, alt: "frames of the clip, from its begin to its end", draggable: "false" }) : null;
    if (strip) strip.addEventListener("error", () => strip.remove());
    if (strip) this.area.append(row("frames", "", strip));
    this.root.replaceChildren(this.area, this.message);
    this.root.setAttribute("aria-valuemax", this.durationS.toFixed(2));
    this.move(0);
  }

  say(text) {
    this.message.textContent = text;
    this.message.classList.remove("wait");
  }

  show(course) {
    this.course = course;
    const reasons = [course.face_reason && `no face curves: ${course.face_reason}`, course.voice_reason && `no voice curves: ${course.voice_reason}`];
    this.say(reasons.filter(Boolean).join(" · "));
    if (course.wave) this.area.append(row("sound", legend(course), wave(course)));
    for (const curve of course.curves) {
      const readout = el("span", { class: "readout number" });
      this.readouts.push([curve, readout]);
      this.area.append(row(curve.label, readout, drawing(curve, this.durationS)));
    }
    this.move(this.video.currentTime || 0);
  }

  move(timeS) {
    const share = this.durationS ? Math.min(Math.max(timeS / this.durationS, 0), 1) : 0;
    this.root.style.setProperty("--at", share);
    this.root.setAttribute("aria-valuenow", timeS.toFixed(2));
    this.root.setAttribute("aria-valuetext", `${timeS.toFixed(1)} of ${this.durationS.toFixed(1)} seconds`);
    for (const [curve, readout] of this.readouts) readout.textContent = told(curve, valueAt(curve, timeS));
  }

  drag(event) {
    this.root.setPointerCapture(event.pointerId);
    this.seekTo(event);
  }

  seekTo(event) {
    const plot = this.root.querySelector(".plot");
    if (!plot) return;
    const box = plot.getBoundingClientRect();
    this.seek(((event.clientX - box.left) / box.width) * this.durationS);
  }

  seek(timeS) {
    const inside = Math.min(Math.max(timeS, 0), Math.max(this.durationS - 0.02, 0));
    if (this.video.readyState > 0) this.video.currentTime = inside;
    this.move(inside);
  }

  onKey(event) {
    const steps = { ArrowLeft: -SEEK_S, ArrowRight: SEEK_S, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    this.seek((this.video.currentTime || 0) + steps[event.key]);
  }
}

function row(label, note, plot) {
  const name = el("div", { class: "row-name" }, el("b", {}, label), note);
  return el("div", { class: "row" }, name, el("div", { class: "plot" }, plot));
}

function frame(title, ...children) {
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title }, ...children);
}

function legend(course) {
  return el("span", { class: "soft" }, course.pauses.length ? "▬ pause" : "");
}

function wave(course) {
  const [low, high] = course.wave;
  const peak = Math.max(...high, ...low.map(Math.abs), 0.01);
  const x = (index) => ((index + 0.5) / low.length) * WIDTH;
  const y = (value) => HEIGHT / 2 - (value / peak) * (HEIGHT / 2 - 2);
  const upper = high.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
  const lower = low.map((value, index) => `${x(index).toFixed(1)},${(y(value) + 0.6).toFixed(1)}`).reverse();
  const span = ([begin, end], attributes) => svg("rect", { x: (begin / course.duration_s) * WIDTH, width: ((end - begin) / course.duration_s) * WIDTH, ...attributes });
  const speech = course.speech.map((part) => span(part, { y: 0, height: HEIGHT, class: "speech" }));
  const pauses = course.pauses.map((part) => span(part, { y: HEIGHT - 3, height: 3, class: "pause" }));
  return frame("waveform", ...speech, svg("polygon", { points: [...upper, ...lower].join(" "), class: "wave" }), ...pauses);
}

function drawing(curve, durationS) {
  const known = curve.values.filter((value) => value !== null);
  if (!known.length) return frame(`${curve.label}: not measured`);
  const [mean, sd] = curve.usual || [null, null];
  const reach = mean === null ? [] : [mean - 1.5 * sd, mean + 1.5 * sd];
  let low = Math.min(...known, ...reach), high = Math.max(...known, ...reach);
  if (curve.name === "loudness_db") low = Math.max(low, high - 60);
  if (high - low < 1e-9) { low -= 1; high += 1; }
  const y = (value) => HEIGHT - 2 - ((value - low) / (high - low)) * (HEIGHT - 4);
  const band = mean === null ? null : svg("rect", { x: 0, width: WIDTH, y: y(mean + sd), height: y(mean - sd) - y(mean + sd), class: "usual" });
  const x = (timeS) => (timeS / durationS) * WIDTH;
  const gap = 2.5 * (curve.times_s.length > 1 ? curve.times_s[1] - curve.times_s[0] : durationS);
  let path = "", last = null;
  curve.values.forEach((value, index) => {
    const timeS = curve.times_s[index];
    if (value === null) return;
    const joins = last !== null && timeS - last < gap;
    path += `${joins ? "L" : "M"}${x(timeS).toFixed(1)} ${y(Math.max(value, low)).toFixed(1)}`;
    if (!joins) path += "h0.1";
    last = timeS;
  });
  const title = `${curve.label} from ${short(Math.min(...known))} to ${short(Math.max(...known))} ${curve.unit}`;
  return frame(title, ...(band ? [band] : []), svg("path", { d: path, class: `line ${curve.part}` }));
}

// A value as its distance from people's usual where that is known: a number in eye distances tells nobody anything.
function told(curve, value) {
  if (value === null) return "–";
  return curve.usual ? `${signed((value - curve.usual[0]) / curve.usual[1], 1)} sd` : `${short(value)} ${curve.unit}`;
}

function valueAt(curve, timeS) {
  const times = curve.times_s;
  let first = 0, last = times.length - 1;
  while (first < last) {
    const middle = (first + last + 1) >> 1;
    if (times[middle] <= timeS) first = middle;
    else last = middle - 1;
  }
  return curve.values[first] ?? null;
}
