// The paper: strokes by mouse, pen, finger or keys.
"use strict";

const paper = (() => {
  const canvas = document.getElementById("paper"), context = canvas.getContext("2d");
  const width = 16, step = 12;
  let strokes = [], current = null, pen = { x: canvas.width / 2, y: canvas.height / 2 }, usesKeys = false;

  function draw(showsPen) {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = context.fillStyle = "#111";
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      stroke.forEach(([x, y], number) => (number ? context.lineTo(x, y) : context.moveTo(x, y)));
      if (stroke.length === 1) context.lineTo(stroke[0][0] + 0.01, stroke[0][1]);
      context.stroke();
    }
    if (showsPen) {
      context.lineWidth = 3;
      context.strokeStyle = current ? "#d55e00" : "#0072b2";
      context.beginPath();
      context.arc(pen.x, pen.y, width / 2 + 3, 0, 7);
      context.stroke();
    }
  }

  function read() {
    if (!strokes.length) { reader.forget(); return; }
    draw(false);
    canvas.toBlob((picture) => reader.ask(picture), "image/png");
    if (usesKeys) draw(true);
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  }

  function begin(point) { current = [point]; strokes.push(current); }
  function end() { if (current) { current = null; read(); } }
  function undo() { current = null; strokes.pop(); draw(usesKeys); read(); }
  function clear() { current = null; strokes = []; draw(usesKeys); read(); }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    usesKeys = false;
    canvas.setPointerCapture(event.pointerId);
    begin(place(event));
    draw(false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!current || usesKeys) return;
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const each of events.length ? events : [event]) current.push(place(each));
    draw(false);
  });
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);

  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (move) {
      const far = event.shiftKey ? step / 3 : step;
      pen = {
        x: Math.min(Math.max(pen.x + far * move[0], 0), canvas.width),
        y: Math.min(Math.max(pen.y + far * move[1], 0), canvas.height),
      };
      if (current) current.push([pen.x, pen.y]);
    } else if (event.key === " ") {
      if (current) { usesKeys = true; end(); } else begin([pen.x, pen.y]);
    } else if (event.key === "Backspace") {
      undo();
    } else if (event.key === "Delete") {
      clear();
    } else {
      return;
    }
    event.preventDefault();
    usesKeys = true;
    draw(true);
  });
  canvas.addEventListener("blur", () => { if (usesKeys) { end(); usesKeys = false; draw(false); } });

  draw(false);
  return { undo, clear, canvas };
})();

document.getElementById("undo").addEventListener("click", () => { photo.hide(); paper.undo(); });
document.getElementById("clear").addEventListener("click", () => { photo.hide(); paper.clear(); });
