const message = document.querySelector("#message");

// The set-up link carries its token behind "#", which browsers send to no server.
const token = new URLSearchParams(location.hash.slice(1)).get("setup");
if (token) {
  history.replaceState(null, "", location.pathname);
  await fetch("/api/v1/session", { method: "POST", body: JSON.stringify({ token }) });
}

const answer = await fetch("/api/v1/stats");
if (answer.ok) {
  const table = document.querySelector("#stats");
  for (const [tier, n] of Object.entries(await answer.json())) {
    const row = table.tBodies[0].insertRow();
    for (const value of [tier, n.objects, n.object_bytes, n.blob_bytes]) {
      row.insertCell().textContent = value.toLocaleString();
    }
  }
  table.hidden = false;
  message.textContent = "The server is ready.";
} else {
  message.textContent = "Sign in with the link that the server printed when it started. It works once, for 30 minutes.";
}
