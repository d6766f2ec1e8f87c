const filter = document.querySelector(".filter");
if (filter) {
  filter.hidden = false;
  filter.addEventListener("change", () => {
    for (const box of filter.elements)
      for (const row of document.querySelectorAll(`[data-change=${box.name}]`))
        row.hidden = !box.checked;
    for (const section of document.querySelectorAll("section"))
      section.hidden = !section.querySelector("[data-change]:not([hidden])");
  });
}
