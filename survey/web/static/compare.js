// Measures the time to answer and adds the keys. The page works without it; once.js sees to what is sent twice.
(() => {
  "use strict";
  const form = document.getElementById("answer");
  const seconds = form.elements.namedItem("seconds");
  const client = form.elements.namedItem("client");
  const buttons = [...form.querySelectorAll("button[name=choice]")];
  let shownAt = null;

  // Two frames later the comparison has been painted.
  requestAnimationFrame(() => requestAnimationFrame(() => { shownAt = performance.now(); }));

  // Time out of sight (another tab, a locked phone) is part of the time to answer and told beside it.
  let hiddenSince = document.hidden ? performance.now() : null;
  let hiddenMilliseconds = 0;
  let blurs = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      hiddenSince = performance.now();
    } else if (hiddenSince !== null) {
      hiddenMilliseconds += performance.now() - hiddenSince;
      hiddenSince = null;
    }
  });
  window.addEventListener("blur", () => { blurs += 1; });

  let input = "other";
  form.addEventListener("pointerdown", (event) => { input = event.pointerType || "other"; });
  form.addEventListener("keydown", () => { input = "keyboard"; });

  form.addEventListener("submit", () => {
    seconds.value = ((performance.now() - shownAt) / 1000).toFixed(3);
    client.value = JSON.stringify({
      input,
      hidden_seconds: Number((hiddenMilliseconds / 1000).toFixed(3)),
      blurs,
      width: window.innerWidth,
      height: window.innerHeight,
    });
  });

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
    input = "keyboard";
    form.requestSubmit(button);
  });
  showKeys();
  document.getElementById("keys").hidden = false;
})();
