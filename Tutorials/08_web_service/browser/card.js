// The card that an ONNX file of mltu carries: how to prepare an image, how to read the output.
// onnxruntime-web does not hand out a file's metadata, so the few fields are taken from the file
// itself: an ONNX file is a protobuf message, whose field 14 holds the entries.

const METADATA = 14;
const KEYS = ["vocab", "height", "width", "channels", "color", "resize", "scaling"];
const DEFAULTS = {
  outputs: "probabilities", padding_color: [0], widen_to: 0, rows: 1, temperature: 1,
  label_order: "logical",
};

/** Read the card from the bytes of an ONNX file; throw a sentence where there is none. */
export function readCard(file) {
  const card = { ...DEFAULTS };
  let entries;
  try {
    entries = fields(file).filter(({ number }) => number === METADATA);
    for (const { bytes } of entries) {
      const [key, value] = [1, 2].map((wanted) =>
        new TextDecoder().decode(fields(bytes).find(({ number }) => number === wanted)?.bytes)
      );
      if (KEYS.includes(key) || key in DEFAULTS) card[key] = JSON.parse(value);
    }
  } catch {
    throw new Error("The model must be an ONNX file. This file is none, or it was cut off.");
  }
  const missing = KEYS.filter((key) => card[key] === undefined);
  if (missing.length) {
    throw new Error(`The model's metadata must have ${missing.join(", ")}. Export it with mltu 2.`);
  }
  if (card.label_order !== "logical") {
    throw new Error("This page reads from left to right only. Right-to-left text needs app.py.");
  }
  return { ...card, vocab: [...card.vocab] }; // Characters, where a string would have UTF-16 units.
}

/** List the fields of a protobuf message, without looking into them. */
function fields(message) {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const found = [];
  let position = 0;

  function varint() {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = view.getUint8(position++); // Throws at the end of a file that was cut off.
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  while (position < message.length) {
    const tag = varint();
    const [number, kind] = [Math.floor(tag / 8), tag % 8];
    if (kind === 0) varint();
    else if (kind === 1) position += 8;
    else if (kind === 5) position += 4;
    else if (kind === 2) {
      const length = varint();
      if (position + length > message.length) throw new RangeError("cut off");
      found.push({ number, bytes: message.subarray(position, position + length) });
      position += length;
    } else throw new RangeError(`no protobuf: kind ${kind}`);
  }
  return found;
}
