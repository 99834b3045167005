// Asking the service, and showing what it answers.
"use strict";

const reader = (() => {
  const get = (id) => document.getElementById(id);
  const most = 10;
  const bars = Array.from({ length: most }, (_, digit) => {
    const row = document.createElement("li"), name = document.createElement("span");
    const meter = document.createElement("meter"), share = document.createElement("span");
    row.append(name, meter, share);
    get("bars").append(row);
    call(digit);
    return { row, meter, share, call };

    function call(what) {
      name.textContent = what;
      meter.setAttribute("aria-label", `probability of ${what}`);
    }
  });

  const nameOf = (found) => found.label ?? String(found.digit);

  // Those of the ten digits in their order; of other classes the likeliest, which answers give by name.
  function shares(found) {
    const all = Object.entries(found.probabilities);
    return found.label === undefined ? all : all.sort(([, one], [, other]) => other - one).slice(0, most);
  }

  function showBars(found, place, count) {
    get("which").textContent = found && count > 1 ? `: digit ${place + 1} of ${count}` : "";
    const shown = found ? shares(found) : [];
    bars.forEach(({ row, meter, share, call }, number) => {
      const [name, probability] = shown[number] ?? ["", 0];
      if (found) call(name);
      row.hidden = Boolean(found) && number >= shown.length;
      meter.value = probability;
      share.textContent = found ? `${(100 * probability).toFixed(1)} %` : "";
    });
    [...get("digits").children].forEach((button, number) => button.setAttribute("aria-pressed", String(number === place)));
  }

  function show(answer) {
    const all = answer ? answer.lines.flat() : [];
    get("text").textContent = answer ? answer.text.join("\n") : "";
    get("digits").replaceChildren(...all.map((found, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = nameOf(found);
      button.setAttribute("aria-label", `${nameOf(found)}, ${(100 * found.confidence).toFixed(0)} percent sure`);
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
      const response = await fetch("/v1/recognize?probabilities=true", { method: "POST", body: picture });
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

  return { ask, forget, nameOf };
})();
