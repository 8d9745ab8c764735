// Measures the time to answer and how the answer was given. The page works without it.
(() => {
  "use strict";
  const form = document.getElementById("answer");
  const seconds = form.elements.namedItem("seconds");
  const client = form.elements.namedItem("client");
  let shownAt = null;

  // Two frames later what is asked has been painted.
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

  // A shortcut is a key that is pressed anywhere on the page.
  let input = "other";
  form.addEventListener("pointerdown", (event) => { input = event.pointerType || "other"; });
  document.addEventListener("keydown", () => { input = "keyboard"; });

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
})();
