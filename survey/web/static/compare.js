// Measures the time to answer, adds the arrow keys, and sends a double click once. The page works without it.
(() => {
  "use strict";
  const form = document.getElementById("answer");
  const seconds = form.elements.namedItem("seconds");
  const buttons = [...form.querySelectorAll("button[name=choice]")];
  // The second click of a double click may fall on the next comparison: nobody answers that fast.
  const TOO_FAST_MILLISECONDS = 250;
  // A page that still stands after this long did not get through (no network, loading stopped): let it be sent again.
  // Should the first have arrived after all, the server keeps that one.
  const GIVEN_UP_MILLISECONDS = 10000;
  let shownAt = null;
  let sent = false;

  // Two frames later the comparison has been painted.
  requestAnimationFrame(() => requestAnimationFrame(() => { shownAt = performance.now(); }));

  form.addEventListener("submit", (event) => {
    const milliseconds = shownAt === null ? 0 : performance.now() - shownAt;
    if (sent || milliseconds < TOO_FAST_MILLISECONDS) {
      event.preventDefault();
      return;
    }
    sent = true;
    seconds.value = (milliseconds / 1000).toFixed(3);
    form.setAttribute("aria-busy", "true");
    setTimeout(() => {
      sent = false;
      form.removeAttribute("aria-busy");
    }, GIVEN_UP_MILLISECONDS);
  });

  // A page that the browser kept (back button) must ask the server where the participant stands.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  const inView = (element) => {
    const box = element.getBoundingClientRect();
    return box.top >= 0 && box.bottom <= window.innerHeight;
  };
  const keys = { ArrowLeft: "left", ArrowDown: "indecision", ArrowRight: "right" };
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const button = buttons.find((one) => one.value === keys[event.key]);
    // While the answers are out of view the arrows scroll, as everywhere.
    if (!button || !buttons.every(inView)) return;
    event.preventDefault();
    form.requestSubmit(button);
  });
  document.getElementById("keys").hidden = false;
})();
