// Says that the sessions run, and keeps the button from being pressed twice.
const form = document.getElementById("two-sessions");
form.addEventListener("submit", () => {
  form.querySelector("input[type=submit]").disabled = true;
  document.getElementById("running").textContent = "The sessions are at work, for about four seconds …";
});
addEventListener("pageshow", () => { form.querySelector("input[type=submit]").disabled = false; });
