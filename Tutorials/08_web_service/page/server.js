// The page of app.py: the server reads.

import { offerReader } from "./page.js";

async function readOnServer(file) {
  const form = new FormData();
  form.append("image", file);
  const response = await fetch("read", { method: "POST", body: form }).catch(() => null);
  if (response === null) throw new Error("The server does not answer. Is it running?");
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? `The server answered ${response.status}.`);
  return answer;
}

offerReader(document.querySelector("#reader"), readOnServer);
