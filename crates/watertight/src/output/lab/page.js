const panel = document.querySelector(".panel");
document.querySelector(".matrix").addEventListener("click", (event) => {
  const cell = event.target.closest("td[title]");
  panel.hidden = cell === null;
  panel.textContent = cell === null ? "" : cell.title.split("; ").join("\n");
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") panel.hidden = true;
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));
