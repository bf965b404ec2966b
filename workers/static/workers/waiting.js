// The box in the head of the table selects all others.
const all = document.getElementById("all-writes");
if (all) {
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll("input[name=write]:not(:disabled)")) box.checked = all.checked;
  });
}
