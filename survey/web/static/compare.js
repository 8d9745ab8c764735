// Adds the keys. The page works without it; measure.js takes the time, once.js sees to what is sent twice.
(() => {
  "use strict";
  const form = document.getElementById("answer");
  const buttons = [...form.querySelectorAll("button[name=choice]")];

  // Shortcuts of one character can be switched off (WCAG 2.1.4): speech input and unsteady hands trigger them.
  const list = document.getElementById("key-list");
  const off = document.getElementById("keys-off");
  const on = document.getElementById("keys-on");
  let keysOn = true;
  try {
    keysOn = sessionStorage.getItem("equipoise-keys") !== "off";
  } catch (_refused) {
    // Storage is switched off in this browser: the wish holds for this page only.
  }
  const showKeys = () => { list.hidden = off.hidden = !keysOn; on.hidden = keysOn; };
  const switchKeys = (wanted) => {
    keysOn = wanted;
    showKeys();
    (wanted ? off : on).focus();
    try {
      sessionStorage.setItem("equipoise-keys", wanted ? "on" : "off");
    } catch (_refused) {
      // As above.
    }
  };
  off.addEventListener("click", () => switchKeys(false));
  on.addEventListener("click", () => switchKeys(true));

  const inView = (element) => {
    const box = element.getBoundingClientRect();
    return box.top >= 0 && box.bottom <= window.innerHeight;
  };
  const keys = {
    ArrowLeft: "left", ArrowDown: "indecision", ArrowRight: "right", 1: "left", 2: "indecision", 3: "right",
  };
  document.addEventListener("keydown", (event) => {
    if (!keysOn || event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const button = buttons.find((one) => one.value === keys[event.key]);
    // While the answers are out of view the arrows scroll, as everywhere.
    if (!button || !buttons.every(inView)) return;
    event.preventDefault();
    form.requestSubmit(button);
  });
  showKeys();
  document.getElementById("keys").hidden = false;
})();
