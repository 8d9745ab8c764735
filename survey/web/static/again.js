// Loads a page anew whose figures are being worked out. Without it, the page has a link that does.
(() => {
  "use strict";
  const AFTER_MILLISECONDS = 1500;
  setTimeout(() => location.reload(), AFTER_MILLISECONDS);
})();
