"use strict";
const button = document.getElementById("numbers");
button.hidden = false;
button.addEventListener("click", () => {
  const tables = document.querySelectorAll("details.numbers");
  const open = button.getAttribute("aria-pressed") !== "true";
  tables.forEach((table) => { table.open = open; });
  button.setAttribute("aria-pressed", String(open));
});
