// All that the console's pages do in the browser: copy a text, and read a chosen file into the field that it belongs to.
// Without it, texts can be marked and pasted by hand.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent.trim();
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

document.addEventListener("change", async (event) => {
  const input = event.target.closest("input[type=file][data-into]");
  if (input?.files.length) document.getElementById(input.dataset.into).value = await input.files[0].text();
});

for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
