// Looks whether mail has come since this page was made. Without a script, reloading does the same.
const known = Number(document.body.dataset.count);

async function look() {
  try {
    const { count } = await (await fetch("/state")).json();
    if (count > known) {
      if (location.pathname === "/") {
        location.reload();
      } else {
        document.getElementById("news").hidden = false;
      }
    }
  } catch {
    document.body.classList.add("gone"); // the demo has ended; what is on the page stays readable
    return;
  }
  setTimeout(look, 1000);
}

setTimeout(look, 1000);
