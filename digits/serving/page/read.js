// Asking the service, and showing what it answers.
"use strict";

const reader = (() => {
  const get = (id) => document.getElementById(id);
  const bars = Array.from({ length: 10 }, (_, digit) => {
    const row = document.createElement("li"), name = document.createElement("span");
    const meter = document.createElement("meter"), share = document.createElement("span");
    name.textContent = digit;
    meter.setAttribute("aria-label", `probability of ${digit}`);
    row.append(name, meter, share);
    get("bars").append(row);
    return { meter, share };
  });

  function showBars(found, place, count) {
    get("which").textContent = found && count > 1 ? `: digit ${place + 1} of ${count}` : "";
    bars.forEach(({ meter, share }, digit) => {
      meter.value = found ? found.probabilities[digit] : 0;
      share.textContent = found ? `${(100 * found.probabilities[digit]).toFixed(1)} %` : "";
    });
    [...get("digits").children].forEach((button, number) => button.setAttribute("aria-pressed", String(number === place)));
  }

  function show(answer) {
    const all = answer ? answer.lines.flat() : [];
    get("text").textContent = answer ? answer.text.join("\n") : "";
    get("digits").replaceChildren(...all.map((found, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = found.digit;
      button.setAttribute("aria-label", `${found.digit}, ${(100 * found.confidence).toFixed(0)} percent sure`);
      button.addEventListener("click", () => showBars(found, place, all.length));
      return button;
    }));
    showBars(all.at(-1), all.length - 1, all.length);
  }

  // One question at a time; of those that come meanwhile only the latest counts.
  let asking = false, waiting = null, latest = 0;

  async function ask(picture, done) {
    const number = ++latest;
    if (asking) { waiting = [picture, done]; return; }
    asking = true;
    let problem = "";
    try {
      const response = await fetch("/v1/recognize?layout=page&probabilities=true", { method: "POST", body: picture });
      const answer = await response.json();
      if (number === latest) {
        if (response.ok) {
          show(answer);
          if (done) done(answer);
          if (!answer.text.length) problem = "It finds no digit there.";
        } else {
          show(null);
          problem = `It cannot read that: ${answer.error}.`;
        }
      }
    } catch {
      problem = "The service does not answer. Is it still running?";
    }
    if (number === latest) get("problem").textContent = problem;
    asking = false;
    if (waiting) { const next = waiting; waiting = null; latest--; ask(...next); }
  }

  function forget() {
    latest++;
    waiting = null;
    get("problem").textContent = "";
    show(null);
  }

  return { ask, forget };
})();
