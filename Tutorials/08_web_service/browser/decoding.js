// What the model says at each time step becomes a text: greedy CTC decoding, and its confidence.

/**
 * Read the outputs of one image.
 *
 * outputs: probabilities or logits, of shape (time, classes); the last class is the blank.
 * share: turns a time step and the number of steps that go over the image once into where the step
 * begins, as a share of the width of the given image.
 * Returns {text, confidence, characters: [{text, confidence, left, right}]}.
 */
export function decode(outputs, numSteps, numClasses, card, share) {
  const blank = numClasses - 1;
  const steps = Array.from({ length: numSteps }, (_, step) =>
    calibrate(outputs.subarray(step * numClasses, (step + 1) * numClasses), card)
  );
  const path = steps.map((step) => step.indexOf(Math.max(...step)));
  const stepsInRow = Math.max(Math.floor(numSteps / card.rows), 1);
  const characters = [];
  const classes = [];
  for (let start = 0, end; start < numSteps; start = end) {
    const best = path[start];
    end = path.findIndex((other, step) => step > start && other !== best);
    if (end < 0) end = numSteps;
    if (best === blank) continue;
    const column = start % stepsInRow;
    classes.push(best);
    characters.push({
      text: card.vocab[best],
      confidence: Math.max(...steps.slice(start, end).map((step) => step[best])),
      left: share(column, stepsInRow),
      right: share(column + end - start, stepsInRow),
    });
  }
  const text = characters.map((one) => one.text).join("");
  return { text, confidence: textProbability(steps, classes), characters };
}

/** The probabilities of one time step, at the temperature of the card. */
function calibrate(scores, { outputs, temperature }) {
  if (outputs === "probabilities" && temperature === 1) return Array.from(scores);
  const logits = outputs === "logits" ? scores : Array.from(scores, Math.log);
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
  const sum = powers.reduce((total, power) => total + power);
  return powers.map((power) => power / sum);
}

/** The sum over all alignments of a text: the forward variables of Graves et al., 2006, 4.1. */
function textProbability(steps, classes) {
  const blank = steps[0].length - 1;
  const labels = [blank, ...classes.flatMap((one) => [one, blank])];
  let alphas = labels.map(() => 0);
  steps.forEach((step, index) => {
    alphas = labels.map((label, i) => {
      if (index === 0) return i < 2 ? step[label] : 0;
      const mayLeap = i > 1 && label !== labels[i - 2];
      return step[label] * (alphas[i] + (alphas[i - 1] ?? 0) + (mayLeap ? alphas[i - 2] : 0));
    });
  });
  return Math.min(1, alphas.at(-1) + (alphas.at(-2) ?? 0));
}
