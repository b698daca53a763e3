// What mltu does to an image before the model sees it, to the same bytes as OpenCV on a computer.

/**
 * Bring pixels into the form that the model takes.
 *
 * image: {data: RGBA bytes, width, height}, as a canvas gives them; transparent becomes white.
 * isRoundedDown: what `roundsDown` says of the file.
 * Returns {data: Float32Array of shape (height, width, channels), width, `filled`: the share of
 * the width that the image takes, in the middle; the rest is padding, and `isBlank`: whether all
 * pixels are nearly the same}.
 */
export function prepare(image, card, isRoundedDown = false) {
  const pixels = overWhite(image.data);
  const planes = card.color === "GRAY" ? [grey(pixels, isRoundedDown)] : [2, 1, 0].map((i) => plane(pixels, i));
  const { height } = card;
  const width = chooseWidth(image, card);
  const size = card.resize === "fit" ? fit(image, width, card) : { width, height };
  const left = Math.floor((width - size.width) / 2);
  const top = Math.floor((height - size.height) / 2);
  const divisor = card.scaling === "1/255" ? 255 : 1;
  const data = new Float32Array(height * width * planes.length);
  planes.forEach((values, channel) => {
    const padding = card.padding_color[channel] ?? card.padding_color[0];
    for (let i = channel; i < data.length; i += planes.length) data[i] = padding / divisor;
    const resized = resize(values, image.width, image.height, size.width, size.height);
    for (let y = 0; y < size.height; y++) {
      for (let x = 0; x < size.width; x++) {
        const target = ((top + y) * width + left + x) * planes.length + channel;
        data[target] = resized[y * size.width + x] / divisor;
      }
    }
  });
  const ratio = (widened(image, card) / image.height) * (height / width);
  return { data, width, filled: card.resize === "fit" ? Math.min(ratio, 1) : 1, isBlank: isBlank(planes) };
}

/** Tell whether all pixels are nearly the same, by the limit of mltu. */
function isBlank(planes) {
  let [low, high] = [255, 0];
  for (const values of planes) {
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return high - low <= 8;
}

function chooseWidth(image, card) {
  const widths = [card.width].flat();
  const scaled = round((widened(image, card) * card.height) / image.height);
  return widths.find((width) => scaled <= width) ?? widths.at(-1);
}

/** The width to which a narrow image is stretched: at most twice its own. */
function widened(image, card) {
  return Math.max(image.width, Math.min(card.widen_to * image.height, 2 * image.width));
}

function fit(image, width, card) {
  const room = (width * image.height) / card.height;
  const wide = Math.max(image.width, Math.min(widened(image, card), room));
  const scale = Math.min(width / wide, card.height / image.height);
  const side = (length) => Math.max(1, round(length * scale));
  return { width: side(wide), height: side(image.height) };
}

/** Round as Python does: halves go to the even neighbour. */
function round(value) {
  const below = Math.floor(value);
  const isHalf = value - below === 0.5;
  return isHalf ? below + (below % 2) : Math.round(value);
}

function overWhite(data) {
  const pixels = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const alpha = data[i | 3];
    pixels[i] = Math.floor((data[i] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  return pixels;
}

function plane(data, index) {
  return Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i + index]);
}

/** Tell a PNG without transparency, which libpng makes grey: it rounds down, OpenCV does not. */
export function roundsDown(file) {
  const text = String.fromCharCode(...file.subarray(0, 4096)); // Transparency is told at the start.
  const hasAlpha = [4, 6].includes(file[25]) || text.split("IDAT")[0].includes("tRNS");
  return text.startsWith("\x89PNG") && !hasAlpha;
}

function grey(data, isRoundedDown) {
  const weights = isRoundedDown ? [9797, 19234, 3737, 0] : [9798, 19235, 3735, 1 << 14];
  const [red, green, blue, half] = weights; // In 15 bits.
  const values = new Uint8Array(data.length / 4);
  for (let i = 0; i < values.length; i++) {
    const j = 4 * i;
    values[i] = (red * data[j] + green * data[j + 1] + blue * data[j + 2] + half) >> 15;
  }
  return values;
}

/** What mltu's ImageResizer does: averages over areas where both sides shrink. */
export function resize(values, width, height, newWidth, newHeight) {
  if (width === newWidth && height === newHeight) return values;
  const shrinks = width >= newWidth && height >= newHeight;
  return (shrinks ? average : interpolate)(values, width, height, newWidth, newHeight);
}

/** cv2.resize with INTER_AREA, to the last bit but for halves. */
function average(values, width, height, newWidth, newHeight) {
  const columns = shares(width, newWidth);
  const rows = shares(height, newHeight);
  const resized = new Uint8Array(newHeight * newWidth);
  // Four pixels for one have a loop of their own in OpenCV, in which halves go up.
  const isHalved = width === 2 * newWidth && height === 2 * newHeight;
  rows.forEach((ours, y) => {
    columns.forEach((theirs, x) => {
      let sum = 0;
      for (const [row, part] of ours) {
        for (const [column, share] of theirs) sum += values[row * width + column] * part * share;
      }
      resized[y * newWidth + x] = isHalved ? Math.floor(sum + 0.5) : round(sum);
    });
  });
  return resized;
}

/** The old pixels under each new one, with the share of it that each covers. */
function shares(length, newLength) {
  const scale = length / newLength;
  return Array.from({ length: newLength }, (_, i) => {
    const [start, end] = [i * scale, Math.min((i + 1) * scale, length)];
    const covered = [];
    for (let j = Math.floor(start); j < end; j++) {
      const share = (Math.min(end, j + 1) - Math.max(start, j)) / (end - start);
      if (share > 1e-3 / scale) covered.push([j, share]);
    }
    return covered;
  });
}

/** cv2.resize with INTER_LINEAR, bit by bit: weights of 11 bits, and the shifts of its loops. */
function interpolate(values, width, height, newWidth, newHeight) {
  const columns = weights(width, newWidth, true);
  const rows = weights(height, newHeight, false);
  const wide = new Int32Array(height * newWidth);
  for (let y = 0; y < height; y++) {
    columns.forEach(({ first, second, rest, part }, x) => {
      const row = y * width;
      wide[y * newWidth + x] = (values[row + first] * rest + values[row + second] * part) >> 4;
    });
  }
  const resized = new Uint8Array(newHeight * newWidth);
  rows.forEach(({ first, second, rest, part }, y) => {
    for (let x = 0; x < newWidth; x++) {
      const upper = (wide[first * newWidth + x] * rest) >> 16;
      const lower = (wide[second * newWidth + x] * part) >> 16;
      resized[y * newWidth + x] = (upper + lower + 2) >> 2;
    }
  });
  return resized;
}

/** The two neighbours of each new pixel and their weights, which add up to 2048. */
function weights(length, newLength, isHorizontal) {
  return Array.from({ length: newLength }, (_, i) => {
    const position = Math.fround((i + 0.5) * (length / newLength) - 0.5);
    const below = Math.floor(position);
    const isOutside = isHorizontal && (below < 0 || below >= length - 1);
    const fraction = isOutside ? 0 : Math.fround(position - below);
    const inside = (index) => Math.min(Math.max(index, 0), length - 1);
    return {
      first: inside(below),
      second: inside(below + 1),
      rest: round(Math.fround(1 - fraction) * 2048),
      part: round(fraction * 2048),
    };
  });
}
