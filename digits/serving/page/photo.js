// A picture that is chosen, taken or dropped, with boxes over what was read.
"use strict";

const photo = (() => {
  const figure = document.getElementById("photo"), image = figure.querySelector("img"), svg = figure.querySelector("svg");
  const input = document.getElementById("file");
  const SVG = "http://www.w3.org/2000/svg";

  function hide() {
    figure.hidden = true;
    paper.canvas.hidden = false;
    if (image.src) URL.revokeObjectURL(image.src);
    image.removeAttribute("src");
  }

  function mark(answer) {
    svg.setAttribute("viewBox", `0 0 ${answer.width} ${answer.height}`);
    svg.replaceChildren(...answer.lines.flat().flatMap((found) => {
      const [left, top, right, bottom] = found.box;
      const rectangle = document.createElementNS(SVG, "rect"), text = document.createElementNS(SVG, "text");
      const side = Math.max(right - left, bottom - top);
      for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) {
        rectangle.setAttribute(name, value);
      }
      text.setAttribute("x", left);
      text.setAttribute("y", top - side * 0.08);
      text.setAttribute("font-size", side * 0.4);
      text.setAttribute("stroke-width", side * 0.06);
      text.textContent = reader.nameOf(found);
      return [rectangle, text];
    }));
  }

  function open(file) {
    paper.clear();
    hide();
    svg.replaceChildren();
    image.src = URL.createObjectURL(file);
    figure.hidden = false;
    paper.canvas.hidden = true;
    document.getElementById("text").textContent = "…";
    reader.ask(file, mark);
  }

  input.addEventListener("change", () => { if (input.files[0]) open(input.files[0]); input.value = ""; });
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => { if (event.clipboardData.files[0]) open(event.clipboardData.files[0]); });

  return { hide };
})();
