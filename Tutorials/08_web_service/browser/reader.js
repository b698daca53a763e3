// A reader in the browser: an ONNX file of mltu, run by onnxruntime-web, as its card says.

import { readCard } from "./card.js";
import { decode } from "./decoding.js";
import { prepare, roundsDown } from "./image.js";

/** Load the reader at a URL; `ort` is the module onnxruntime-web. */
export async function loadReader(ort, url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`There is no model at ${response.url} (${response.status}). Copy one there.`);
  }
  const file = new Uint8Array(await response.arrayBuffer());
  const card = readCard(file);
  const session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });

  /** Read an image file; returns {text, confidence, characters}. */
  return async (imageFile) => {
    const bytes = new Uint8Array(await imageFile.arrayBuffer());
    const image = await pixelsOf(imageFile);
    const { data, width, filled, isBlank } = prepare(image, card, roundsDown(bytes));
    if (isBlank) return { text: "", confidence: 1, characters: [] };
    const input = new ort.Tensor("float32", data, [1, card.height, width, card.channels]);
    const outputs = await session.run({ [session.inputNames[0]]: input });
    const { dims, data: values } = outputs[session.outputNames[0]]; // (1, time, classes)
    // The image is in the middle of its padding.
    const share = (step, all) => Math.min(Math.max((step / all - 0.5) / filled + 0.5, 0), 1);
    return decode(values, dims[1], dims[2], card, share);
  };
}

/** Decode an image file to RGBA, with the values that stand in the file. */
async function pixelsOf(file) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(file, options).catch(() => {
    throw new Error("This file is no image that the browser can decode. Choose a PNG or a JPEG.");
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { data: context.getImageData(0, 0, width, height).data, width, height };
}
