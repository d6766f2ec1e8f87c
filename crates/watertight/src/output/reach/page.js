const filter = document.querySelector(".filter");
filter.hidden = false;
filter.addEventListener("input", () => {
  for (const side of ["from", "to"]) {
    const wanted = filter.elements[side].value;
    for (const part of document.querySelectorAll(`[data-${side}]`)) {
      part.hidden = wanted !== "" && part.dataset[side] !== wanted;
    }
  }
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));
