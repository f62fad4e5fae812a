// How a viewer is moved, zoomed and painted on.

/** Let a viewer be moved by mouse, fingers and keys. */
export function listen(viewer) {
  const { canvas, handle } = viewer;
  const at = (event) => [event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio];
  const pointers = new Map();
  let drawn = null;

  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = canvas.getBoundingClientRect();
    viewer.divider = (event.clientX - box.left) / box.width;
  });
  handle.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, Home: -1, End: 1 };
    if (!(event.key in moves)) return;
    viewer.divider += moves[event.key];
    event.preventDefault();
    event.stopPropagation();
  });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    if (viewer.brush && pointers.size === 1) drawn = { ...viewer.brush, points: [viewer.inPhoto(at(event))] };
    else drawn = null; // a second finger zooms
    viewer.drawing = drawn;
  });
  canvas.addEventListener("pointermove", (event) => {
    viewer.pointer = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, now);
    if (drawn) {
      drawn.points.push(viewer.inPhoto(now));
      viewer.drawing = drawn;
      return;
    }
    if (other) {
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      viewer.zoom((viewer.scale * apart(now)) / Math.max(1, apart(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    const share = other ? 0.5 : 1;
    viewer.pan(share * (now[0] - before[0]), share * (now[1] - before[1]));
  });
  const ended = (event) => {
    pointers.delete(event.pointerId);
    if (drawn && event.type === "pointerup") viewer.dispatchEvent(new CustomEvent("stroke", { detail: drawn }));
    viewer.drawing = drawn = null;
  };
  canvas.addEventListener("pointerleave", () => (viewer.pointer = null));
  canvas.addEventListener("pointerup", ended);
  canvas.addEventListener("pointercancel", ended);
  canvas.addEventListener("dblclick", (event) => {
    if (viewer.brush) return;
    if (viewer.fitted) viewer.zoom(1, ...at(event));
    else viewer.fit();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    viewer.zoom(viewer.scale * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60 * devicePixelRatio;
    const keys = {
      ArrowLeft: () => viewer.pan(step, 0),
      ArrowRight: () => viewer.pan(-step, 0),
      ArrowUp: () => viewer.pan(0, step),
      ArrowDown: () => viewer.pan(0, -step),
      "+": () => viewer.zoom(viewer.scale * 1.25),
      "=": () => viewer.zoom(viewer.scale * 1.25),
      "-": () => viewer.zoom(viewer.scale / 1.25),
      0: () => viewer.fit(),
      1: () => viewer.zoom(1),
      4: () => viewer.zoom(4),
      "[": () => (viewer.divider -= 0.05),
      "]": () => (viewer.divider += 0.05),
    };
    if (!keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
  });
}
