"use strict";

// ---- The network ----
// Weights are float16 in base64. The state is a list with an entry for each layer,
// itself a list of Float64Arrays: the output h, then the memories.

function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) out[k] = raw.charCodeAt(k);
  return out;
}

// The value of a float16: 1 sign bit, 5 exponent bits, 10 fraction bits.
function float16(bits) {
  const fraction = bits & 1023, exponent = (bits >> 10) & 31;
  const size = exponent
    ? (1 + fraction / 1024) * 2 ** (exponent - 15)
    : fraction * 2 ** -24;
  return bits & 32768 ? -size : size;
}

// Replaces every { shape, data } in the tree by { columns, values }.
function decode(tree) {
  if (tree === null || typeof tree !== "object") return tree;
  if (Array.isArray(tree)) return tree.map(decode);
  if (!("data" in tree)) {
    const entries = Object.entries(tree);
    return Object.fromEntries(entries.map(([key, value]) => [key, decode(value)]));
  }
  const raw = bytes(tree.data), values = new Float32Array(raw.length / 2);
  for (let k = 0; k < values.length; k++) {
    values[k] = float16(raw[2 * k] | (raw[2 * k + 1] << 8));
  }
  return { columns: tree.shape.at(-1), values };
}

// out += x W
function addProduct(x, { columns, values }, out) {
  for (let i = 0, k = 0; i < x.length; i++) {
    const xi = x[i];
    for (let j = 0; j < columns; j++, k++) out[j] += xi * values[k];
  }
  return out;
}

function affine(x, { kernel, bias }) {
  return addProduct(x, kernel, Float64Array.from(bias.values));
}

const sigmoid = x => 1 / (1 + Math.exp(-x));

// The reset gate is applied before the product.
function gru({ recurrent: [gates, candidate] }, z, [h]) {
  const n = h.length, gate = addProduct(h, gates, z.slice(0, 2 * n)).map(sigmoid);
  const reset = h.map((v, k) => gate[n + k] * v);
  const c = addProduct(reset, candidate, z.slice(2 * n)).map(Math.tanh);
  return [h.map((v, k) => gate[k] * v + (1 - gate[k]) * c[k])];
}

// A nested LSTM has a memory for each level of nesting; an LSTM has one level.
function lstm(layer, z, [h, c, ...deeper], level = 0) {
  const n = h.length, sums = addProduct(h, layer.recurrent[level], z.slice());
  const [i, f, g, o] = [0, 1, 2, 3].map(k => sums.subarray(k * n, (k + 1) * n));
  const kept = c.map((v, k) => sigmoid(f[k]) * v);
  let memories;
  if (deeper.length) {
    const inner = affine(g.map((v, k) => sigmoid(i[k]) * v), layer.inner[level]);
    memories = lstm(layer, inner, [kept, ...deeper], level + 1);
  } else {
    memories = [kept.map((v, k) => v + sigmoid(i[k]) * Math.tanh(g[k]))];
  }
  return [memories[0].map((v, k) => sigmoid(o[k]) * Math.tanh(v)), ...memories];
}

function makeNetwork(packed) {
  const model = decode(packed), step = model.cell === "gru" ? gru : lstm;
  const { columns, values } = model.embedding;
  return {
    start: model.layers.map(
      layer => layer.carry.map(vector => Float64Array.from(vector.values))),
    step(states, character) {
      let x = values.subarray(character * columns, (character + 1) * columns);
      return states.map((state, k) => {
        const next = step(model.layers[k], affine(x, model.layers[k]), state);
        x = next[0];
        return next;
      });
    },
    logits: states => affine(states.at(-1)[0], model),
    guesses(states, count = 3) {
      const logits = this.logits(states);
      const largest = logits.reduce((a, b) => Math.max(a, b));
      const total = logits.reduce((sum, v) => sum + Math.exp(v - largest), 0);
      const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
      return order.slice(0, count).map(
        k => [model.words[k], Math.exp(logits[k] - largest) / total]);
    },
  };
}

// Reduces a typed text like the training text: a space before each word, then a to z.
function reduce(typed) {
  const decomposed = typed.toLowerCase().normalize("NFD");
  const unaccented = decomposed.replace(/[\u0300-\u036f]/g, "");
  return " " + unaccented.replace(/[^a-z]+/g, " ").replace(/^ /, "");
}

// Keeps the states after each character of the last text, so that only the characters
// after the first difference are computed.
function makeReader(network) {
  let previous = "", states = [network.start];
  return text => {
    const shorter = Math.min(previous.length, text.length);
    let k = 0;
    while (k < shorter && previous[k] === text[k]) k++;
    states.length = k + 1;
    for (; k < text.length; k++) {
      const character = text[k] === " " ? 1 : text.charCodeAt(k) - 95;
      states.push(network.step(states[k], character));
    }
    previous = text;
    return network.guesses(states.at(-1));
  };
}

// ---- The page ----

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const percent = p => (p < 0.01 ? "< 1 %" : Math.round(100 * p) + " %");

// Fills the box with characters of equal width; lines break before a word's space.
function showCharacters(box, characters, space = "\u00a0") {
  const cells = characters.map(
    c => make("i", { textContent: c === " " ? space : c }));
  let word = null;
  box.replaceChildren();
  cells.forEach((cell, k) => {
    if (!word || characters[k] === " ") box.append((word = make("b")));
    word.append(cell);
  });
  return cells;
}

// Fills the box with words and their probabilities. With `pick`, a word is a button.
function showGuesses(box, guesses, target, pick) {
  box.replaceChildren(...guesses.map(([word, p]) => {
    const name = pick
      ? make("button", {
        type: "button", textContent: word, title: "type this word",
        onclick: () => pick(word),
      })
      : make("span", { className: "name", textContent: word, title: word });
    const line = make("li", { className: word === target ? "correct" : "" }, name,
      make("span", { className: "percent", textContent: percent(p) }));
    line.style.setProperty("--p", p.toFixed(3));
    return line;
  }));
}

// One text, with a row for each network. Returns its element and the function that
// selects a character.
function showText({ text, target, rows }, index) {
  const characters = [...text], last = characters.length - 1;
  const begins = [];  // for each character, where its word begins: at its space
  characters.forEach(
    (c, k) => begins.push(c === " " || k === 0 ? k : begins[k - 1]));
  const slider = make("input", { type: "range", min: 0, max: last });
  const caption = make("span", { className: "caption" });
  const label = make("label", {}, "Text " + (index + 1), slider);
  const figure = make("div", { className: "text" },
    make("div", { className: "controls" }, label, caption));
  const parts = rows.map(({ cell, heat, guesses }) => {
    const box = make("div", { className: "characters" });
    const words = make("ol", { className: "guesses" });
    box.setAttribute("role", "img");
    words.setAttribute("aria-label", "three most likely words, " + cell);
    figure.append(make("div", { className: "row" },
      make("h3", { textContent: cell }), box, words));
    const cells = showCharacters(box, characters);
    return { cell, guesses, heat: bytes(heat), box, cells, words };
  });
  let current = -1;

  // The words that have a character of more than half of the largest norm.
  function highWords(row, k) {
    const high = new Set();
    for (let s = 0; s <= k; s++) if (row[s] > 127) high.add(begins[s]);
    const word = b => characters.slice(b, k + 1).join("").trim().split(" ")[0];
    return [...high].map(word).filter(Boolean);
  }

  function select(k) {
    k = Math.max(0, Math.min(last, Math.trunc(k)));
    if (k === current || Number.isNaN(k)) return;
    current = k;
    const first = begins[k] + (characters[begins[k]] === " ");
    const letters = characters.slice(first, k + 1).join("");
    const word = target && target[k];
    caption.replaceChildren(letters
      ? "letters of the word so far: “" + letters + "”"
      : "no letter of the word yet");
    if (word) {
      const name = make("span", { className: "word", textContent: word });
      caption.append("; the word is ", name);
    }
    for (const { cell, guesses, heat, box, cells, words } of parts) {
      const row = heat.subarray((k * (k + 1)) / 2);  // row k of the lower triangle
      cells.forEach((element, s) => {
        element.className = s < k ? "" : s === k ? "current" : "unread";
        const fraction = s <= k ? (row[s] / 255).toFixed(3) : "0";
        element.style.setProperty("--fraction", fraction);
      });
      box.setAttribute(
        "aria-label", cell + ", highest connectivity: " + highWords(row, k).join(", "));
      showGuesses(words, guesses[k], word);
    }
    const firstGuesses = parts.map(p => p.cell + ": " + (p.guesses[k][0] || [""])[0]);
    slider.value = k;
    slider.setAttribute(
      "aria-valuetext", caption.textContent + ". " + firstGuesses.join("; "));
  }

  function onPointer(event) {
    const cell = document.elementFromPoint(event.clientX, event.clientY);
    for (const { cells } of parts) {
      const k = cells.indexOf(cell);
      if (k >= 0) select(k);
      if (k >= 0 && event.type === "pointerup") slider.focus({ preventScroll: true });
    }
  }

  slider.addEventListener("input", () => select(slider.valueAsNumber));
  for (const { box } of parts) {
    for (const type of ["pointerdown", "pointermove", "pointerup"]) {
      box.addEventListener(type, onPointer);
    }
  }
  // At first: the second letter of a word of five letters or more in the second half.
  const fifth = begins.findIndex((b, k) => b > last / 2 && k === b + 5);
  select(fifth < 0 ? last : fifth - 3);
  return { figure, select };
}

// The box to type into. Returns the function that types a text.
function showModel(packed) {
  const [typed, input, live] = ["typed", "network-input", "live"].map(
    id => document.getElementById(id));
  let reader = null;

  function update() {
    reader ??= makeReader(makeNetwork(packed));
    const text = reduce(typed.value), cells = showCharacters(input, [...text], "␣");
    cells.at(-1).className = "current";
    showGuesses(live, reader(text), null, word => {
      type(text.replace(/[a-z]*$/, "").slice(1) + word + " ");
      typed.focus();
    });
  }

  function type(text) {
    typed.value = text;
    update();
  }

  const layers = packed.layers.length === 1 ? "layer" : "layers";
  document.getElementById("model").textContent =
    packed.cell + ", " + packed.layers.length + " " + layers + " of "
    + packed.kernel.shape[0] + " units: " + packed.size.toLocaleString("en")
    + " weights in 16 bits, run in this page; nothing is sent anywhere.";
  document.getElementById("try").hidden = false;
  typed.addEventListener("input", update);
  update();
  return type;
}

function main() {
  const [examples, model] = ["examples-data", "model-data"].map(
    id => JSON.parse(document.getElementById(id).textContent));
  const texts = examples.map(showText), type = model && showModel(model);
  document.getElementById("texts").append(...texts.map(text => text.figure));
  document.getElementById("connectivity").hidden = !texts.length;

  function followAddress() {
    const link = new URLSearchParams(location.hash.slice(1));
    const text = texts[Number(link.get("text") ?? 0)];
    if (link.has("type") && type) type(link.get("type"));
    if (text && link.has("hover")) text.select(Number(link.get("hover")));
    if (text && (link.has("hover") || link.has("text"))) {
      text.figure.scrollIntoView({ block: "nearest" });
    }
  }

  addEventListener("hashchange", followAddress);
  followAddress();
}

if (typeof document !== "undefined") main();
