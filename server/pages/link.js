// The page behind one-time links: the first owner's account, or a new password.
// The secret is in the fragment, which no server sees and no log keeps.
"use strict";

const at = (id) => document.getElementById(id);
const owner = location.pathname === "/claim";
const secret = decodeURIComponent(location.hash.slice(1));
history.replaceState(null, "", location.pathname);

at("title").textContent = owner ? "Make the owner’s account" : "Choose a password";
at("what").textContent = owner
  ? "Nobody owns this installation of Sluice yet. Who owns it can do everything, and let others in."
  : "It takes the place of the one before, and ends all other sessions.";
at("go").textContent = owner ? "Make the account" : "Set the password";
at("who").hidden = !owner;
at("email").required = owner;

function say(text, bad) {
  at("said").textContent = text;
  at("said").className = bad ? "bad" : "";
}

if (!secret) {
  at("form").hidden = true;
  say("The link is not complete: open it as Sluice printed it, with all that follows the #.", true);
}

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!at("form").reportValidity()) return;
  at("go").disabled = true;
  say("One moment …");
  const body = { secret, password: at("password").value };
  if (owner) Object.assign(body, { email: at("email").value.trim(), name: at("name").value.trim() });
  try {
    const answer = await fetch(owner ? "/api/v1/auth/owner" : "/api/v1/auth/password-link", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      at("form").hidden = true;
      say("Done: you are signed in.");
      const on = document.createElement("a");
      on.href = "/";
      on.textContent = "Go on to Sluice";
      at("said").append(" ", on);
      on.focus();
      return;
    }
    const problem = await answer.json();
    const places = (problem.errors || []).map((e) => e.message).join("; ");
    say([problem.detail, places, problem.hint].filter(Boolean).join(". ") + ".", true);
  } catch {
    say("The server did not answer. Is it running? Try again.", true);
  }
  at("go").disabled = false;
});
