// Shows, while one types, which categories the letters stand for. The page works without it.
(() => {
  "use strict";
  const field = document.getElementById("quick");
  const place = document.getElementById("matches");
  const options = [...document.querySelectorAll("#code .option")].map((option) => ({
    option, label: option.querySelector("bdi").textContent.trim(),
  }));
  const folded = (text) => text.normalize("NFC").toLocaleLowerCase().trim();

  const found = (typed) => {
    const wanted = folded(typed);
    const whole = options.filter((one) => folded(one.label) === wanted);
    return whole.length ? whole : options.filter((one) => folded(one.label).startsWith(wanted));
  };
  const words = (part) => {
    if (part === "-") return "no category holds it";
    if (part === "!") return "unusable";
    if (part.startsWith("+")) return `a new category, “${part.slice(1).trim()}”`;
    const labels = found(part).map((one) => one.label);
    if (labels.length === 1) return labels[0];
    return labels.length ? `“${part}” is not clear: ${labels.slice(0, 4).join(", ")}` : `“${part}” is none of them`;
  };
  field.addEventListener("input", () => {
    const parts = field.value.split(",").map((part) => part.trim()).filter((part) => part);
    place.hidden = parts.length === 0;
    place.textContent = parts.length ? `Enter saves: ${parts.map(words).join("; ")}` : "";
    const last = parts.length ? new Set(found(parts[parts.length - 1]).map((one) => one.option)) : new Set();
    for (const { option } of options) option.classList.toggle("meant", last.has(option));
  });
})();
