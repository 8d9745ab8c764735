// Asks how far the experiment is, and loads the page anew when it has ended. Without it the page reloads by itself.
(() => {
  "use strict";
  const EVERY_MILLISECONDS = 2000;
  const place = document.getElementById("how-far");
  const bar = place.querySelector("progress");
  const words = document.getElementById("how-far-words");
  const shown = place.dataset.state;

  const look = async () => {
    try {
      const answer = await fetch(place.dataset.address, { headers: { Accept: "application/json" } });
      // Signed out, or deleted meanwhile: the page itself says so.
      if (answer.redirected || !answer.ok) {
        location.reload();
        return;
      }
      const now = await answer.json();
      if (now.state !== shown) {
        location.reload();
        return;
      }
      bar.max = Math.max(now.total, 1);
      bar.value = now.done;
      words.textContent = now.words;
    } catch (_unreachable) {
      // No network for a moment: ask again.
    }
    setTimeout(look, EVERY_MILLISECONDS);
  };
  setTimeout(look, EVERY_MILLISECONDS);
})();
