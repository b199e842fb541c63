// Asks the browser for a passkey. A form with data-passkey gets the options of the ceremony from
// the address in data-options, and sends what the authenticator answers in its field "credential".
// All text is in the page: this file shows some of it, and makes no HTML.
"use strict";

const knowsPasskeys = "PublicKeyCredential" in window && "parseCreationOptionsFromJSON" in PublicKeyCredential;

const CEREMONIES = {
  create: (options) => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
  get: (options) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
};

function say(form, name) {
  for (const text of form.querySelectorAll("[data-passkey-text]")) {
    text.hidden = text.dataset.passkeyText !== name;
  }
}

async function answer(form) {
  say(form, "");
  const body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
  const response = await fetch(form.dataset.options, { method: "POST", headers: { Accept: "application/json" }, body });
  if (response.redirected) {
    window.location.assign(response.url); // the page where the user signs in, or proves more
    return;
  }
  if (!response.ok) {
    say(form, response.status === 429 ? "limited" : "failed");
    return;
  }
  const options = await response.json();
  let credential;
  try {
    credential = await CEREMONIES[form.dataset.passkey](options);
  } catch {
    say(form, "refused"); // cancelled, timed out, or known to this account already
    return;
  }
  form.elements.credential.value = JSON.stringify(credential.toJSON());
  const stay = document.getElementById("stay"); // the box of the other form counts here as well
  if (form.elements.stay && stay?.checked) {
    form.elements.stay.value = stay.value;
  }
  form.submit();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!knowsPasskeys) {
    say(form, "unsupported");
    continue;
  }
  const button = form.querySelector("button");
  button.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true; // one ceremony at a time
    answer(form)
      .catch(() => say(form, "failed"))
      .finally(() => { button.disabled = false; });
  });
}
