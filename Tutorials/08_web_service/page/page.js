// The page around a reader: takes an image by drop, paste or choice, and shows what was read.
// Whoever reads is given as `read(file)`, which resolves to
// {text, confidence, characters: [{text, confidence, left, right}]}, or rejects with a sentence.

const LARGEST_SCALE = 4; // Small words are shown larger, but not beyond recognition.
const LARGEST_SHARE = 30; // of the height of the window, in percent
const DOUBTFUL = 0.1; // Below this confidence the page says what the reader takes.

const FORM = `
  <label class="drop">
    <input type="file" accept="image/*">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 15V4m0 0L8 8m4-4 4 4M4 15v4a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-4"/></svg>
    <strong>Drop an image of a word here</strong>
    <span>or paste it, or press to choose a file</span>
  </label>
  <p class="refusal" role="alert" hidden></p>
  <section class="result" hidden>
    <figure>
      <div class="picture"><img alt=""><div class="bands" aria-hidden="true"></div></div>
      <div class="letters" aria-hidden="true"></div>
    </figure>
    <div class="reading" role="status">
      <output class="text"></output>
      <span class="confidence"></span>
    </div>
    <p class="hint" hidden>This is probably not what the image says. The reader takes one printed word,
      cut out and upright: no whole page, no turned or handwritten word.</p>
    <ol class="characters" aria-label="Each character and its confidence"></ol>
  </section>`;

/** Format a probability: 100 % is said of certainty only. */
export function percent(probability) {
  return `${probability < 1 ? Math.min(99, Math.round(probability * 100)) : 100}\u202f%`;
}

/** Name the grade of a probability, which the style sheet gives a colour. */
export function grade(probability) {
  if (probability >= 0.9) return "sure";
  return probability >= 0.5 ? "likely" : "doubtful";
}

/** Fill `place` with the form, and show there what `read` makes of each image. */
export function offerReader(place, read) {
  place.innerHTML = FORM;
  const find = (selector) => place.querySelector(selector);
  const drop = find(".drop");
  const picture = find("img");
  let newest = 0;

  async function take(file) {
    if (!file) return;
    const turn = ++newest;
    drop.setAttribute("aria-busy", "true");
    let reading = null;
    let refusal = "";
    try {
      reading = await read(file);
    } catch (error) {
      refusal = error.message;
    }
    if (turn !== newest) return; // A newer image came in the meantime.
    drop.removeAttribute("aria-busy");
    find(".refusal").hidden = reading !== null;
    find(".refusal").textContent = refusal;
    find(".result").hidden = reading === null;
    if (reading) await show(file, reading);
  }

  async function show(file, reading) {
    URL.revokeObjectURL(picture.src);
    picture.src = URL.createObjectURL(file);
    picture.alt = `The image ${file.name}`;
    find(".text").textContent = reading.text || "(no text)";
    find(".confidence").textContent = `${percent(reading.confidence)} sure`;
    find(".confidence").dataset.grade = grade(reading.confidence);
    find(".hint").hidden = reading.confidence >= DOUBTFUL;
    find(".characters").replaceChildren(...reading.characters.map(chip));
    const isShown = await picture.decode().then(() => true, () => false);
    find("figure").hidden = !isShown; // TIFF, for example, is read but not shown.
    if (!isShown) return;
    const { naturalWidth: width, naturalHeight: height } = picture;
    // A tall image must not push the answer out of sight.
    picture.style.width = `min(${width * LARGEST_SCALE}px, ${(LARGEST_SHARE * width) / height}vh)`;
    find(".bands").replaceChildren(...reading.characters.map((one) => band(one)));
    find(".letters").replaceChildren(...reading.characters.map((one) => letter(one)));
  }

  find("input").addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = ""; // So that the same file can be chosen again.
  });
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}

function element(name, classes, text, confidence) {
  const made = document.createElement(name);
  made.className = classes;
  made.textContent = text;
  if (confidence !== undefined) made.dataset.grade = grade(confidence);
  return made;
}

function chip({ text, confidence }) {
  const made = element("li", "", "", confidence);
  const meter = element("span", "meter", "");
  meter.style.setProperty("--part", confidence);
  made.append(element("b", "", text), " ", element("span", "", percent(confidence)), meter);
  return made;
}

function band({ confidence, left, right }) {
  const made = element("span", "", "", confidence);
  made.style.left = `${100 * left}%`;
  made.style.width = `${100 * (right - left)}%`;
  return made;
}

function letter({ text, confidence, left, right }) {
  const made = element("span", "", text, confidence);
  made.style.left = `${50 * (left + right)}%`;
  return made;
}
