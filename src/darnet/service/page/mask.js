// A mask: strokes of a brush, as a picture of white where a photo is to be repaired.

/** Draw strokes, each { erase, radius, points: [[x, y], …] } in pixels of the photo, onto a drawing context. */
export function stroke(pen, strokes, colour) {
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = colour;
  for (const { erase, radius, points } of strokes) {
    pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
    pen.lineWidth = 2 * radius;
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const [x, y] of points) pen.lineTo(x, y + 0.01); // else nothing is drawn of a stroke of one point
    pen.stroke();
  }
  pen.globalCompositeOperation = "source-over";
}

/** The mask of strokes: white on black. */
export function paint(strokes, width, height) {
  const painted = new OffscreenCanvas(width, height);
  stroke(painted.getContext("2d"), strokes, "#fff");
  const mask = new OffscreenCanvas(width, height);
  const pen = mask.getContext("2d");
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, width, height);
  pen.drawImage(painted, 0, 0);
  return mask;
}
