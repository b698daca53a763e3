// The static page: the browser reads.

import { offerReader } from "../page/page.js";
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
import { loadReader } from "./reader.js";

// More threads need two HTTP headers that a simple web server does not send (COOP and COEP).
ort.env.wasm.numThreads = 1;

const loading = loadReader(ort, "model.onnx");
loading.catch(() => {}); // It is said when the first image comes.
offerReader(document.querySelector("#reader"), async (file) => (await loading)(file));
