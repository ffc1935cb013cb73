// Small helpers around the document. Data becomes text nodes and attributes, never markup.

export const by = (id) => document.getElementById(id);

/** An element with properties (`class`, `on…` functions, attributes) and children (nodes, texts). */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((one) => one !== null && one !== undefined));
  return node;
}

/** Sets a text only where it differs, so that nothing is painted or announced again. */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

/**
 * Makes the children of `parent` those of `items`, in order, keeping what is there by key:
 * focus, selection and scroll stay where they are.
 */
export function keep(parent, items, key, make, update) {
  const old = new Map();
  for (const child of parent.children) old.set(child.dataset.key, child);
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let node = old.get(name);
    if (node) old.delete(name);
    else {
      node = make(item);
      node.dataset.key = name;
    }
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

/** Shows a sentence in a message paragraph, or hides it. */
export function say(node, sentence, bad = false) {
  node.hidden = !sentence;
  node.classList.toggle('bad', bad);
  text(node, sentence || '');
}

let fading = 0;

/** Says something for some seconds at the foot of the window. */
export function toast(sentence) {
  const node = by('toast');
  text(node, sentence);
  node.classList.add('shown');
  clearTimeout(fading);
  fading = setTimeout(() => {
    node.classList.remove('shown');
    text(node, '');
  }, 8000);
}

/** Marks one button of a group as pressed and tells which, whenever another is pressed. */
export function choose(group, chosen) {
  group.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    for (const one of group.querySelectorAll('button'))
      one.setAttribute('aria-pressed', String(one === button));
    chosen(button);
  });
}
