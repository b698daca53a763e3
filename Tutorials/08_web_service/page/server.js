// The page of app.py: the server reads.

import { offerReader } from "./page.js";

const UNREADABLE =
  "This file cannot be read as an image, or it is too large. Try a PNG or JPEG of one word.";

async function readOnServer(file) {
  const form = new FormData();
  form.append("image", file);
  const response = await fetch("read", { method: "POST", body: form }).catch(() => null);
  if (response === null) throw new Error("The server does not answer. Is it running?");
  const answer = await response.json().catch(() => ({}));
  if (response.status === 422) throw new Error(UNREADABLE); // Its detail is for programs.
  if (!response.ok) throw new Error(answer.detail ?? `The server answered ${response.status}.`);
  return answer;
}

offerReader(document.querySelector("#reader"), readOnServer);
