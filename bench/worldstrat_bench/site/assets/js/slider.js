// The pictures of a tile over each other, with dividers.
import { find } from "./dom.js";

/** Make the dividers of a stack of pictures work. */
export function slider(box) {
  const [model, input] = [find(".sr", box), find(".input", box)];
  const [a, b] = [find("[name=a]", box), find("[name=b]", box)];
  const pick = find("select", box);
  const show = () => {
    if (b && +b.value < +a.value) b.value = a.value;
    if (input) input.style.clipPath = `inset(0 ${100 - a.value}% 0 0)`;
    if (model) model.style.clipPath = `inset(0 ${100 - b.value}% 0 0)`;
  };
  a?.addEventListener("input", show);
  b?.addEventListener("input", () => {
    if (+b.value < +a.value) a.value = b.value;
    show();
  });
  pick?.addEventListener("change", () => {
    const image = find("img", model);
    image.src = pick.value;
    image.alt = pick.selectedOptions[0].textContent;
  });
  show();
}
