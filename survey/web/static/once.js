// Sends every form once, and never because of a click that was meant for the page before. The page works without it.
(() => {
  "use strict";
  // The second click of a double click may fall on the next page: nobody reads that fast.
  const TOO_FAST_MILLISECONDS = 250;
  // A page that still stands after this long did not get through (no network, loading stopped): let it be sent again.
  // Should the first have arrived after all, the server keeps that one.
  const GIVEN_UP_MILLISECONDS = 10000;
  let shownAt = null;
  let sent = false;

  // Two frames later the page has been painted.
  requestAnimationFrame(() => requestAnimationFrame(() => { shownAt = performance.now(); }));

  document.addEventListener("submit", (event) => {
    if (sent || shownAt === null || performance.now() - shownAt < TOO_FAST_MILLISECONDS) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    sent = true;
    event.target.setAttribute("aria-busy", "true");
    setTimeout(() => {
      sent = false;
      event.target.removeAttribute("aria-busy");
    }, GIVEN_UP_MILLISECONDS);
  }, { capture: true });

  // A page that the browser kept (back button) must ask the server where the participant stands.
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
