// Lossless crops. They are scripts, because a page opened as a file may read back pictures given as text only.

const crops = new Map();

/** Fetch the crop of a layer at (x, y) once; it resolves to its picture, or to null where it cannot be had. */
export function crop(folder, key, x, y) {
  const name = `${key},${x},${y}`;
  if (!crops.has(name)) {
    const script = document.createElement("script");
    const entry = {};
    entry.picture = new Promise((resolve) => {
      entry.arrived = (data) => {
        const image = new Image();
        image.src = `data:image/webp;base64,${data}`;
        image.decode().then(
          () => resolve(image),
          () => resolve(null),
        );
      };
      script.onerror = () => resolve(null);
    });
    crops.set(name, entry);
    script.src = `${folder}c-${key}-${x}-${y}.js`;
    document.head.append(script);
  }
  return crops.get(name).picture;
}

window.wsbCrop = (key, x, y, data) => crops.get(`${key},${x},${y}`)?.arrived(data);

/** Return {width, height, data} of a picture: its RGBA pixels. */
export function pixelsOf(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
